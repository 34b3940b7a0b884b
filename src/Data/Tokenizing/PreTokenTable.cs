using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace ElasticTrain.Data;

/// <summary>
/// Counts byte strings in a bounded amount of memory: one array of bytes, one of entries, one of slots. When it would have to grow beyond its
/// limit it says so, and its owner empties it.
/// </summary>
internal sealed class PreTokenTable(long maxBytes)
{
    private const int FewestEntries = 64, MostBytes = 1 << 30, SortBytes = 20;

    private byte[] _bytes = new byte[8 * FewestEntries];
    private Entry[] _entries = new Entry[FewestEntries];
    private int[] _slots = new int[2 * FewestEntries];
    private int _used;

    /// <summary>Number of distinct byte strings.</summary>
    internal int Count { get; private set; }

    /// <summary>Memory of the arrays, with what <see cref="Sorted"/> takes.</summary>
    internal long Allocated => SizeOf(_bytes.Length, _entries.Length);

    internal ReadOnlySpan<byte> this[int entry] => _bytes.AsSpan(_entries[entry].Offset, _entries[entry].Length);

    internal long CountOf(int entry) => _entries[entry].Count;

    /// <summary>Adds to a string's count; false, with nothing changed, if there is no room for a new one. An empty table always has room.</summary>
    internal bool TryAdd(ReadOnlySpan<byte> token, long count)
    {
        uint hash = Hash(token);
        int mask = _slots.Length - 1;
        int slot = (int)hash & mask;
        for (; _slots[slot] != 0; slot = (slot + 1) & mask)
        {
            ref Entry entry = ref _entries[_slots[slot] - 1];
            if (entry.Hash != hash || !token.SequenceEqual(this[_slots[slot] - 1])) continue;
            entry.Count = checked(entry.Count + count);
            return true;
        }
        if (Count == _entries.Length || token.Length > _bytes.Length - _used)
        {
            if (!TryGrow(token.Length)) return false;
            return TryAdd(token, count);
        }
        token.CopyTo(_bytes.AsSpan(_used));
        _entries[Count] = new Entry { Offset = _used, Length = token.Length, Hash = hash, Count = count };
        _used += token.Length;
        _slots[slot] = ++Count;
        return true;
    }

    /// <summary>Forgets everything and keeps the memory.</summary>
    internal void Clear()
    {
        Array.Clear(_slots);
        Count = _used = 0;
    }

    /// <summary>The entries in the order of their bytes.</summary>
    internal int[] Sorted()
    {
        var keys = new (ulong Prefix, int Entry)[Count];
        for (int i = 0; i < keys.Length; i++) keys[i] = (Prefix(this[i]), i);
        Array.Sort(keys, (a, b) => a.Prefix != b.Prefix ? a.Prefix.CompareTo(b.Prefix) : this[a.Entry].SequenceCompareTo(this[b.Entry]));
        return Array.ConvertAll(keys, key => key.Entry);
    }

    private bool TryGrow(int length)
    {
        int entries = Count == _entries.Length ? 2 * _entries.Length : _entries.Length;
        long bytes = _bytes.Length;
        while (bytes < (long)_used + length) bytes *= 2;
        if (Count > 0 && (bytes > MostBytes || SizeOf(bytes, entries) > maxBytes)) return false;
        Array.Resize(ref _bytes, (int)Math.Min(bytes, Array.MaxLength));
        if (entries == _entries.Length) return true;
        Array.Resize(ref _entries, entries);
        _slots = new int[2 * entries];
        int mask = _slots.Length - 1;
        for (int i = 0; i < Count; i++)
        {
            int slot = (int)_entries[i].Hash & mask;
            while (_slots[slot] != 0) slot = (slot + 1) & mask;
            _slots[slot] = i + 1;
        }
        return true;
    }

    private static long SizeOf(long bytes, long entries) => bytes + entries * (Unsafe.SizeOf<Entry>() + 2 * sizeof(int) + SortBytes);

    /// <summary>The first eight bytes as a number of the same order.</summary>
    private static ulong Prefix(ReadOnlySpan<byte> token)
    {
        if (token.Length >= 8) return BinaryPrimitives.ReadUInt64BigEndian(token);
        Span<byte> padded = stackalloc byte[8];
        padded.Clear();
        token.CopyTo(padded);
        return BinaryPrimitives.ReadUInt64BigEndian(padded);
    }

    private static uint Hash(ReadOnlySpan<byte> token)
    {
        ulong hash = (ulong)token.Length;
        for (; token.Length >= 8; token = token[8..]) hash = Mixed(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(token));
        ulong rest = 0;
        foreach (byte value in token) rest = rest << 8 | value;
        hash = Mixed(hash ^ rest);
        return (uint)(hash >> 32);

        static ulong Mixed(ulong value) => BitOperations.RotateLeft(value * 0x9E3779B97F4A7C15, 29) * 0xBF58476D1CE4E5B9;
    }

    private struct Entry
    {
        internal long Count;
        internal int Offset, Length;
        internal uint Hash;
    }
}
