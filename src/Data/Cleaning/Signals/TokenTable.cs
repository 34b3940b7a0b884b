using System.Numerics;

namespace ElasticTrain.Data.Cleaning;

/// <summary>The tokens of one text as numbers, in the order of their first appearance. Equality is that of their characters: hashes only find candidates.</summary>
internal sealed class TokenTable
{
    private const int SmallestTable = 1 << 10, MostKept = 1 << 20;

    private Entry[] _entries = new Entry[SmallestTable / 2];
    private int[] _slots = new int[SmallestTable];
    private int[] _tokens = new int[SmallestTable];

    /// <summary>The text's tokens: numbers below <see cref="Distinct"/>.</summary>
    internal ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>How many tokens.</summary>
    internal int Count { get; private set; }

    /// <summary>How many different ones.</summary>
    internal int Distinct { get; private set; }

    /// <summary>Length in code points of a token.</summary>
    internal int Points(int token) => _entries[token].Points;

    /// <summary>How often a token comes.</summary>
    internal int Occurrences(int token) => _entries[token].Occurrences;

    /// <summary>A distinct token.</summary>
    internal TokenSpan this[int token] => new(_entries[token].Start, _entries[token].Length, _entries[token].Points, _entries[token].Hash, _entries[token].Classes);

    /// <summary>Forgets everything; gives the memory of an unusually long text back.</summary>
    internal void Clear()
    {
        Count = 0;
        if (_tokens.Length > MostKept) _tokens = new int[SmallestTable];
        if (_slots.Length > MostKept)
        {
            _slots = new int[SmallestTable];
            _entries = new Entry[SmallestTable / 2];
        }
        else
        {
            // Only as much as the next text may need at first.
            int size = (int)Math.Min((uint)_slots.Length, BitOperations.RoundUpToPowerOf2((uint)Math.Max(Distinct * 2, SmallestTable)));
            if (size < _slots.Length) _slots = new int[size];
            else Array.Clear(_slots);
        }
        Distinct = 0;
    }

    /// <summary>Adds a token of the text.</summary>
    internal void Add(ReadOnlySpan<char> text, in TokenSpan token)
    {
        if (Count == _tokens.Length) Array.Resize(ref _tokens, Count * 2);
        _tokens[Count++] = NumberOf(text, token);
    }

    private int NumberOf(ReadOnlySpan<char> text, in TokenSpan token)
    {
        int mask = _slots.Length - 1;
        for (int slot = (int)token.Hash & mask; ; slot = slot + 1 & mask)
        {
            int number = _slots[slot] - 1;
            if (number < 0) return New(slot, token);
            ref Entry entry = ref _entries[number];
            bool isSame = entry.Hash == token.Hash && entry.Length == token.Length
                && text.Slice(entry.Start, entry.Length).SequenceEqual(text.Slice(token.Start, token.Length));
            if (!isSame) continue;
            entry.Occurrences++;
            return number;
        }
    }

    private int New(int slot, in TokenSpan token)
    {
        if (Distinct == _entries.Length) Array.Resize(ref _entries, Distinct * 2);
        _entries[Distinct] = new Entry(token);
        _slots[slot] = ++Distinct;
        if (Distinct * 2 > _slots.Length) Grow();
        return Distinct - 1;
    }

    private void Grow()
    {
        _slots = new int[_slots.Length * 2];
        int mask = _slots.Length - 1;
        for (int number = 0; number < Distinct; number++)
        {
            int slot = (int)_entries[number].Hash & mask;
            while (_slots[slot] != 0) slot = slot + 1 & mask;
            _slots[slot] = number + 1;
        }
    }

    private struct Entry(in TokenSpan token)
    {
        internal readonly int Start = token.Start, Length = token.Length, Points = token.Points;
        internal readonly uint Hash = token.Hash;
        internal readonly byte Classes = token.Classes;
        internal int Occurrences = 1;
    }
}
