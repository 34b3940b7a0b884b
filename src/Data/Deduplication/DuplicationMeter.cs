using ElasticTrain.Core;

namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// Measures how much of a corpus is repeated, by another measure than the one that duplicates are removed by: the share of all windows of 50 words, one at every word, that
/// stood in the corpus before. Source: Lee et al., "Deduplicating training data makes language models better", 2022, section 4.1, who count repeated substrings of 50 tokens. A document with fewer
/// words is one window. Beyond 4 million windows a sample of them is held, all copies of a window or none; it depends on the text alone, and memory
/// stays below 100 MB. May be filled on several threads in any order.
/// </summary>
public sealed class DuplicationMeter
{
    private const int DefaultWindow = 50, DefaultCapacity = 4 << 20;

    private readonly Lock _turn = new();
    private readonly int _window, _capacity;
    private readonly List<ulong> _sample = [];
    private ulong _mask;

    /// <summary>An empty corpus.</summary>
    /// <param name="window">Words per window.</param>
    /// <param name="capacity">Windows that are held at most.</param>
    public DuplicationMeter(int window = DefaultWindow, int capacity = DefaultCapacity)
    {
        if (window is < 1 or > 10_000) throw new BadInputException("duplication: words per window", $"{window}", "1 to 10000");
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        (_window, _capacity) = (window, capacity);
    }

    /// <summary>Adds a document.</summary>
    /// <param name="text">UTF-8.</param>
    public void Add(ReadOnlySpan<byte> text)
    {
        var reader = new RollingWindows(text, _window);
        Span<ulong> buffer = stackalloc ulong[512];
        for (int count; (count = reader.Read(buffer)) > 0;)
        {
            lock (_turn)
            {
                foreach (ulong hash in buffer[..count])
                    if ((hash & _mask) == 0) _sample.Add(hash);
                // A larger mask holds a part of what the smaller one held: in the end the sample is the same for any order.
                while (_sample.Count > _capacity)
                {
                    _mask = _mask << 1 | 1;
                    _sample.RemoveAll(hash => (hash & _mask) != 0);
                }
            }
        }
    }

    /// <summary>The share of windows that are repetitions, 0 to 1; 0 for an empty corpus.</summary>
    public double Measure()
    {
        lock (_turn)
        {
            if (_sample.Count == 0) return 0;
            ulong[] sorted = [.. _sample];
            Array.Sort(sorted);
            int repeated = 0;
            for (int i = 1; i < sorted.Length; i++)
                if (sorted[i] == sorted[i - 1]) repeated++;
            return (double)repeated / sorted.Length;
        }
    }
}
