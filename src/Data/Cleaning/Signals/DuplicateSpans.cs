using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Counts pieces of one text (lines, paragraphs) that came before. Equality is that of their characters: hashes only find candidates.</summary>
internal sealed class DuplicateSpans
{
    private const int MostKept = 1 << 18;

    private (ulong Hash, int Start, int Length)[] _slots = new (ulong, int, int)[64];
    private int _distinct;

    /// <summary>Pieces added.</summary>
    internal int Count { get; private set; }

    /// <summary>Pieces that came before.</summary>
    internal int Duplicates { get; private set; }

    /// <summary>Code points of the pieces that came before.</summary>
    internal long DuplicatePoints { get; private set; }

    /// <summary>Forgets everything.</summary>
    internal void Clear()
    {
        (Count, Duplicates, DuplicatePoints, _distinct) = (0, 0, 0, 0);
        if (_slots.Length > MostKept) _slots = new (ulong, int, int)[64];
        else Array.Clear(_slots);
    }

    /// <summary>Adds a piece that is not empty.</summary>
    internal void Add(ReadOnlySpan<char> text, int start, int length)
    {
        Count++;
        ReadOnlySpan<char> piece = text.Slice(start, length);
        ulong hash = XxHash3.HashToUInt64(MemoryMarshal.AsBytes(piece));
        int mask = _slots.Length - 1;
        for (int slot = (int)hash & mask; ; slot = slot + 1 & mask)
        {
            (ulong other, int at, int units) = _slots[slot];
            if (units == 0)
            {
                _slots[slot] = (hash, start, length);
                if (++_distinct * 2 > _slots.Length) Grow();
                return;
            }
            if (other != hash || units != length || !text.Slice(at, units).SequenceEqual(piece)) continue;
            Duplicates++;
            DuplicatePoints += TextLength.Points(piece);
            return;
        }
    }

    private void Grow()
    {
        (ulong Hash, int Start, int Length)[] old = _slots;
        _slots = new (ulong, int, int)[old.Length * 2];
        int mask = _slots.Length - 1;
        foreach (var entry in old)
        {
            if (entry.Length == 0) continue;
            int slot = (int)entry.Hash & mask;
            while (_slots[slot].Length != 0) slot = slot + 1 & mask;
            _slots[slot] = entry;
        }
    }
}

/// <summary>Lengths of text.</summary>
internal static class TextLength
{
    /// <summary>Code points of valid UTF-16.</summary>
    internal static int Points(ReadOnlySpan<char> text)
    {
        int units = text.Length;
        for (int at; (at = text.IndexOfAnyInRange('\uDC00', '\uDFFF')) >= 0; text = text[(at + 1)..]) units--;
        return units;
    }
}
