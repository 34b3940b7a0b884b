using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests.Deduplication;

/// <summary>Repeatable texts of random words, and pairs of them whose similarity is known.</summary>
internal static class WordText
{
    /// <summary>Words of a text, from a vocabulary of 50,000.</summary>
    internal static string[] Words(ulong seed, int count, int vocabulary = 50_000) =>
        [.. Enumerable.Range(0, count).Select(i => $"w{CounterRandom.Bits(seed, (ulong)i) % (ulong)vocabulary}")];

    internal static byte[] Bytes(IEnumerable<string> words) => Encoding.UTF8.GetBytes(string.Join(' ', words));

    /// <summary>
    /// Two texts of the same length of which the second has other words in its middle: of N shingles c are common, so that J = c / (2 N - c). The least c
    /// with a similarity of at least the target is taken.
    /// </summary>
    internal static (byte[] First, byte[] Second, double Similarity) Pair(ulong seed, int words, double target, int shingle = 5)
    {
        int shingles = words - shingle + 1, common = 0;
        while ((double)common / (2 * shingles - common) < target) common++;
        int replaced = shingles - common - (shingle - 1);
        if (replaced <= 0) (replaced, common) = (0, shingles);
        string[] first = Words(seed, words), second = [.. first];
        int from = (words - replaced) / 2;
        for (int i = 0; i < replaced; i++) second[from + i] = $"other{CounterRandom.Bits(seed, (ulong)i, 1) % 1_000_000}";
        return (Bytes(first), Bytes(second), (double)common / (2 * shingles - common));
    }

    /// <summary>A number of [0, 1).</summary>
    internal static double Uniform(ulong seed, ulong index) => CounterRandom.Bits(seed, index, 2) / 18446744073709551616.0;
}
