using System.Runtime.InteropServices;

namespace ElasticTrain.Data;

/// <summary>
/// Learns merges: again and again the pair of neighbouring tokens that comes most often becomes one token; of several the one with the smaller
/// left id, then the smaller right id. Counts are kept up to date word by word instead of being taken anew.
/// </summary>
internal sealed class MergeLearner
{
    /// <summary>Words that are worth a thread of their own.</summary>
    private const int WordsPerThread = 1024;

    private readonly WordList _words;
    private readonly Dictionary<ulong, Pair> _pairs = [];
    private readonly PriorityQueue<ulong, Candidate> _queue = new();
    private readonly Dictionary<ulong, Change>[] _changes;
    private readonly List<(ulong Key, Pair Pair)> _created = [];

    internal MergeLearner(WordList words, int threads)
    {
        _words = words;
        _changes = [.. Enumerable.Range(0, threads).Select(_ => new Dictionary<ulong, Change>())];
        for (int word = 0; word < words.Count; word++)
        {
            Span<int> tokens = words[word];
            for (int i = 0; i + 1 < tokens.Length; i++) Gain(_changes[0], tokens[i], tokens[i + 1], words.Counts[word], word);
        }
        Apply(1);
    }

    /// <summary>The best pair, or null if none comes at least so often. A pair that is not allowed is never offered again.</summary>
    internal (int Left, int Right)? Best(long atLeast, Func<int, int, bool> isAllowed)
    {
        while (_queue.TryDequeue(out ulong key, out Candidate candidate))
        {
            if (!_pairs.TryGetValue(key, out Pair? pair)) continue;
            // Counts of pairs that exist only shrink: a candidate that promised too much goes back to its place.
            if (pair.Count != candidate.Count)
            {
                _queue.Enqueue(key, new Candidate(pair.Count, key));
                continue;
            }
            if (pair.Count < atLeast) return null;
            (int left, int right) = ((int)(key >> 32), (int)(uint)key);
            if (isAllowed(left, right)) return (left, right);
        }
        return null;
    }

    /// <summary>Makes one token of the best pair wherever it stands.</summary>
    /// <param name="left">The pair.</param>
    /// <param name="right">The pair.</param>
    /// <param name="merged">The new token's id, larger than any so far.</param>
    internal void Merge(int left, int right, int merged)
    {
        _pairs.Remove(Key(left, right), out Pair? pair);
        List<int> words = pair!.Words;
        int parts = Math.Clamp(words.Count / WordsPerThread, 1, _changes.Length);
        if (parts == 1) MergeIn(CollectionsMarshal.AsSpan(words), left, right, merged, _changes[0]);
        else
        {
            Parallel.For(0, parts, part =>
            {
                (int from, int to) = ((int)((long)words.Count * part / parts), (int)((long)words.Count * (part + 1) / parts));
                MergeIn(CollectionsMarshal.AsSpan(words)[from..to], left, right, merged, _changes[part]);
            });
        }
        Apply(parts);
    }

    /// <summary>Merges in some words, each of them once, and notes what that does to the counts.</summary>
    private void MergeIn(ReadOnlySpan<int> words, int left, int right, int merged, Dictionary<ulong, Change> changes)
    {
        foreach (int word in words)
        {
            Span<int> tokens = _words[word];
            long count = _words.Counts[word];
            int kept = 0;
            for (int i = 0; i < tokens.Length; i++)
            {
                if (tokens[i] != left || i + 1 == tokens.Length || tokens[i + 1] != right)
                {
                    tokens[kept++] = tokens[i];
                    continue;
                }
                if (kept > 0)
                {
                    Lose(changes, tokens[kept - 1], left, count);
                    Gain(changes, tokens[kept - 1], merged, count, word);
                }
                if (i + 2 < tokens.Length)
                {
                    Lose(changes, right, tokens[i + 2], count);
                    Gain(changes, merged, tokens[i + 2], count, word);
                }
                tokens[kept++] = merged;
                i++;
            }
            _words.Shorten(word, kept);
        }
    }

    private static void Gain(Dictionary<ulong, Change> changes, int left, int right, long count, int word)
    {
        ref Change change = ref CollectionsMarshal.GetValueRefOrAddDefault(changes, Key(left, right), out _);
        change.Count = checked(change.Count + count);
        change.Words ??= [];
        // A word's gains of one pair come together, so this keeps each word once.
        if (change.Words.Count == 0 || change.Words[^1] != word) change.Words.Add(word);
    }

    private static void Lose(Dictionary<ulong, Change> changes, int left, int right, long count) =>
        CollectionsMarshal.GetValueRefOrAddDefault(changes, Key(left, right), out _).Count -= count;

    private void Apply(int parts)
    {
        for (int part = 0; part < parts; part++)
        {
            foreach ((ulong key, Change change) in _changes[part])
            {
                if (_pairs.TryGetValue(key, out Pair? pair))
                {
                    pair.Count = checked(pair.Count + change.Count);
                    if (change is { Count: > 0, Words: not null }) pair.Words.AddRange(change.Words);
                    if (pair.Count == 0) _pairs.Remove(key);
                }
                else if (change.Count > 0)
                {
                    _pairs.Add(key, pair = new Pair { Count = change.Count, Words = change.Words! });
                    _created.Add((key, pair));
                }
            }
            _changes[part].Clear();
        }
        foreach ((ulong key, Pair pair) in _created) _queue.Enqueue(key, new Candidate(pair.Count, key));
        _created.Clear();
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private sealed class Pair
    {
        internal required long Count { get; set; }

        internal required List<int> Words { get; init; }
    }

    private struct Change
    {
        internal long Count;
        internal List<int>? Words;
    }

    private readonly record struct Candidate(long Count, ulong Key) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other) => Count != other.Count ? other.Count.CompareTo(Count) : Key.CompareTo(other.Key);
    }
}
