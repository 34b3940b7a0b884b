namespace ElasticTrain.Data.Quality;

/// <summary>N-grams of one order with their counts, in the order of their words' ids.</summary>
/// <param name="Keys">Ascending: the words' ids, 24 bits each, the first in the highest place.</param>
/// <param name="Counts">How often each comes.</param>
internal sealed record NGramTable(UInt128[] Keys, int[] Counts)
{
    internal const int WordBits = 24;

    internal static readonly NGramTable Empty = new([], []);

    internal int Count => Keys.Length;

    internal static UInt128 Append(UInt128 key, int word) => key << WordBits | (uint)word;

    /// <summary>All words but the last.</summary>
    internal static UInt128 Prefix(UInt128 key) => key >> WordBits;

    /// <summary>All words but the first.</summary>
    /// <param name="key">An n-gram.</param>
    /// <param name="order">Its words.</param>
    internal static UInt128 Suffix(UInt128 key, int order) => key & ((UInt128.One << WordBits * (order - 1)) - 1);

    /// <summary>One of an n-gram's words, counted from its end.</summary>
    internal static int WordFromEnd(UInt128 key, int place) => (int)(uint)(key >> WordBits * place) & ((1 << WordBits) - 1);

    /// <summary>Both tables' n-grams; of those in both the counts are added.</summary>
    internal static NGramTable Merge(NGramTable left, NGramTable right)
    {
        if (left.Count == 0) return right;
        if (right.Count == 0) return left;
        var (keys, counts) = (new UInt128[left.Count + right.Count], new int[left.Count + right.Count]);
        (int i, int j, int count) = (0, 0, 0);
        while (i < left.Count || j < right.Count)
        {
            int order = i == left.Count ? 1 : j == right.Count ? -1 : left.Keys[i].CompareTo(right.Keys[j]);
            keys[count] = order <= 0 ? left.Keys[i] : right.Keys[j];
            counts[count++] = (order <= 0 ? left.Counts[i++] : 0) + (order >= 0 ? right.Counts[j++] : 0);
        }
        Array.Resize(ref keys, count);
        Array.Resize(ref counts, count);
        return new NGramTable(keys, counts);
    }
}

/// <summary>Counts n-grams: sorts some at a time, and merges sorted tables of about the same size.</summary>
internal sealed class NGramTableBuilder
{
    private readonly UInt128[] _buffer = new UInt128[1 << 20];
    private readonly Stack<NGramTable> _tables = new();
    private int _count;

    internal void Add(UInt128 key)
    {
        if (_count == _buffer.Length) Flush();
        _buffer[_count++] = key;
    }

    internal NGramTable Finish()
    {
        Flush();
        NGramTable all = NGramTable.Empty;
        while (_tables.TryPop(out NGramTable? table)) all = NGramTable.Merge(table, all);
        return all;
    }

    private void Flush()
    {
        Span<UInt128> keys = _buffer.AsSpan(0, _count);
        keys.Sort();
        int distinct = 0;
        for (int i = 0; i < keys.Length; i++)
            if (i == 0 || keys[i] != keys[i - 1]) distinct++;
        var (unique, counts) = (new UInt128[distinct], new int[distinct]);
        int at = -1;
        for (int i = 0; i < keys.Length; i++)
        {
            if (i == 0 || keys[i] != keys[i - 1]) unique[++at] = keys[i];
            counts[at]++;
        }
        _count = 0;
        var table = new NGramTable(unique, counts);
        while (_tables.TryPeek(out NGramTable? last) && last.Count <= 2 * table.Count) table = NGramTable.Merge(_tables.Pop(), table);
        _tables.Push(table);
    }
}
