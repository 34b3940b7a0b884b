using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>Words as ids of tokens, with counts: what merges are learned from. Words shrink in place as their tokens are merged.</summary>
internal sealed class WordList
{
    private int[] _tokens = new int[1 << 10];
    private int _used;

    internal List<int> Starts { get; } = [];

    internal List<int> Lengths { get; } = [];

    internal List<long> Counts { get; } = [];

    internal int Count => Starts.Count;

    internal Span<int> this[int word] => _tokens.AsSpan(Starts[word], Lengths[word]);

    /// <summary>Appends a word.</summary>
    /// <param name="bytes">Its bytes, two at least: of one byte there is nothing to learn.</param>
    /// <param name="idOf">Ids of the bytes.</param>
    /// <param name="count">How often it comes.</param>
    internal void Add(ReadOnlySpan<byte> bytes, ReadOnlySpan<int> idOf, long count)
    {
        if (bytes.Length > Array.MaxLength - _used)
        {
            throw new ElasticTrainException(
                "More than 2 GiB of distinct pre-tokens: learn from fewer of them with --min-pretoken-count, or from less text.");
        }
        if (_used + bytes.Length > _tokens.Length)
            Array.Resize(ref _tokens, (int)Math.Min(Math.Max(2L * _tokens.Length, (long)_used + bytes.Length), Array.MaxLength));
        Starts.Add(_used);
        Lengths.Add(bytes.Length);
        Counts.Add(count);
        foreach (byte value in bytes) _tokens[_used++] = idOf[value];
    }

    /// <summary>Shortens a word to its first tokens.</summary>
    internal void Shorten(int word, int length) => Lengths[word] = length;
}
