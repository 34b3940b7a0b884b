using ElasticTrain.Data.Deduplication;

namespace ElasticTrain.Data.Quality;

/// <summary>
/// Windows of a text as hashed TF-IDF vectors, and how well they fit together. Additions of floating-point numbers are done in the order of dimensions and windows.
/// </summary>
internal sealed class TopicVectors
{
    internal const int Dimensions = 1 << 18;

    /// <summary>Of longer documents only the beginning is looked at, so that memory is bounded.</summary>
    private const int MaxWords = 1 << 16;

    private const int LeastWindows = 8, MostWindows = 32, WordsPerWindow = 200;

    // Keeps the quotient of two small numbers from meaning something: windows that have nothing in common with any other.
    private const double Floor = 0.01;

    private readonly double[] _weights = new double[Dimensions];
    private readonly double[] _logs = new double[256];

    /// <summary>Weights of words: ln((documents + 1) / (documents with the word + 1/2)), 0 for words that no document has.</summary>
    internal TopicVectors(int[] documentsWith, int documents)
    {
        for (int i = 0; i < Dimensions; i++)
            if (documentsWith[i] > 0) _weights[i] = Logarithm.Of((documents + 1) / (documentsWith[i] + 0.5));
        for (int i = 1; i < _logs.Length; i++) _logs[i] = 1 + Logarithm.Of(i);
    }

    internal static int Dimension(ulong word) => (int)(word >> 20) & (Dimensions - 1);

    internal static ulong[] Words(ReadOnlySpan<byte> text)
    {
        var words = new List<ulong>();
        var scanner = new WordScanner(text);
        while (words.Count < MaxWords && scanner.MoveNext()) words.Add(scanner.Word);
        return [.. words];
    }

    /// <summary>
    /// How well a text holds together: it is cut where its two sides are least alike, at least two windows from its ends; the value is the mean similarity
    /// of windows to the centroid of the other side, divided by that to the centroid of the other windows of their own.
    /// </summary>
    internal double Coherence(ReadOnlySpan<ulong> words)
    {
        int windows = Math.Clamp(words.Length / WordsPerWindow, LeastWindows, MostWindows);
        double[,] similar = Similarities(words, windows);
        double worst = double.PositiveInfinity;
        for (int cut = 2; cut <= windows - 2; cut++)
        {
            (double across, double within) = (0, 0);
            for (int i = 0; i < windows; i++)
            {
                for (int j = i + 1; j < windows; j++)
                {
                    if (i < cut && j >= cut) across += similar[i, j];
                    else within += similar[i, j];
                }
            }
            int pairs = cut * (windows - cut);
            across /= pairs;
            within /= windows * (windows - 1) / 2 - pairs;
            worst = Math.Min(worst, across / (within + Floor));
        }
        return worst;
    }

    /// <summary>The cosine of two texts' vectors.</summary>
    internal double Similarity(ReadOnlySpan<ulong> left, ReadOnlySpan<ulong> right)
    {
        var entries = new List<Entry>(left.Length + right.Length);
        Weigh(left, 0, entries);
        Weigh(right, 1, entries);
        return Products(entries, 2)[0, 1];
    }

    private double[,] Similarities(ReadOnlySpan<ulong> words, int windows)
    {
        var entries = new List<Entry>(words.Length);
        for (int i = 0; i < windows; i++)
        {
            (int from, int to) = ((int)((long)words.Length * i / windows), (int)((long)words.Length * (i + 1) / windows));
            Weigh(words[from..to], i, entries);
        }
        return Products(entries, windows);
    }

    /// <summary>Adds a window's vector, of length 1.</summary>
    private void Weigh(ReadOnlySpan<ulong> words, int window, List<Entry> entries)
    {
        int[] dimensions = new int[words.Length];
        for (int i = 0; i < words.Length; i++) dimensions[i] = Dimension(words[i]);
        Array.Sort(dimensions);
        int first = entries.Count;
        double squares = 0;
        for (int from = 0, to; from < dimensions.Length; from = to)
        {
            for (to = from + 1; to < dimensions.Length && dimensions[to] == dimensions[from]; to++)
            {
            }
            double weight = _weights[dimensions[from]] * _logs[Math.Min(to - from, _logs.Length - 1)];
            if (weight <= 0) continue;
            entries.Add(new Entry(dimensions[from], window, weight));
            squares += weight * weight;
        }
        double length = Math.Sqrt(squares);
        for (int i = first; i < entries.Count; i++) entries[i] = entries[i] with { Weight = entries[i].Weight / length };
    }

    private static double[,] Products(List<Entry> entries, int windows)
    {
        entries.Sort();
        double[,] products = new double[windows, windows];
        for (int from = 0, to; from < entries.Count; from = to)
        {
            for (to = from + 1; to < entries.Count && entries[to].Dimension == entries[from].Dimension; to++)
            {
            }
            for (int i = from; i < to; i++)
                for (int j = i + 1; j < to; j++) products[entries[i].Window, entries[j].Window] += entries[i].Weight * entries[j].Weight;
        }
        return products;
    }

    private readonly record struct Entry(int Dimension, int Window, double Weight) : IComparable<Entry>
    {
        public int CompareTo(Entry other) => Dimension != other.Dimension ? Dimension.CompareTo(other.Dimension) : Window.CompareTo(other.Window);
    }
}
