using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// MinHash signatures of documents. Each shingle of words has a 64-bit hash x; hash function i is a_i * low(x) + high(x) mod 2^32 with a random odd a_i, and
/// the signature holds each function's minimum over the shingles. The share of equal places in two signatures estimates the Jaccard similarity
/// of the two sets of shingles, with a standard error of sqrt(J (1 - J) / hashes). Source: Broder, "On the resemblance and containment of documents", 1997. Objects may be
/// used on several threads.
/// </summary>
public sealed class MinHasher
{
    // Lanes that are computed together: two registers of eight.
    private const int Block = 16, Words = 4096;

    private readonly MinHashOptions _options;
    private readonly uint[] _multipliers;

    /// <summary>Draws the hash functions.</summary>
    /// <exception cref="BadInputException">The options cannot be used.</exception>
    public MinHasher(MinHashOptions options)
    {
        options.Validate();
        _options = options;
        ulong key = CounterRandom.Key(options.Seed, "minhash/1");
        _multipliers = new uint[(options.Hashes + Block - 1) / Block * Block];
        for (int i = 0; i < _multipliers.Length; i++) _multipliers[i] = (uint)CounterRandom.Bits(key, (ulong)i) | 1;
    }

    /// <summary>Values of a signature.</summary>
    public int Length => _options.Hashes;

    /// <summary>Computes a document's signature. Memory does not grow with the document.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="signature"><see cref="Length"/> values.</param>
    /// <returns>False, and a signature of the largest values, if the text has no words.</returns>
    /// <exception cref="ArgumentException">The signature has another length.</exception>
    public bool Sign(ReadOnlySpan<byte> text, Span<uint> signature)
    {
        if (signature.Length != Length) throw new ArgumentException($"A signature has {Length} values, found {signature.Length}.", nameof(signature));
        uint[] minima = ArrayPool<uint>.Shared.Rent(_multipliers.Length);
        try
        {
            Span<uint> values = minima.AsSpan(0, _multipliers.Length);
            values.Fill(uint.MaxValue);
            bool any = false;
            var reader = new ShingleReader(text, _options.ShingleWords);
            Span<ulong> shingles = stackalloc ulong[Words / 8];
            for (int count; (count = reader.Read(shingles)) > 0; any = true) Lower(shingles[..count], values);
            values[..Length].CopyTo(signature);
            return any;
        }
        finally
        {
            ArrayPool<uint>.Shared.Return(minima);
        }
    }

    /// <summary>The distinct shingles' hashes, ascending; empty for a text without words. Takes 8 bytes per word.</summary>
    /// <param name="text">UTF-8.</param>
    public ulong[] Shingles(ReadOnlySpan<byte> text)
    {
        var reader = new ShingleReader(text, _options.ShingleWords);
        var all = new List<ulong>();
        Span<ulong> buffer = stackalloc ulong[Words / 8];
        for (int count; (count = reader.Read(buffer)) > 0;) all.AddRange(buffer[..count]);
        Span<ulong> sorted = CollectionsMarshal.AsSpan(all);
        sorted.Sort();
        int kept = 0;
        foreach (ulong shingle in sorted)
            if (kept == 0 || sorted[kept - 1] != shingle) sorted[kept++] = shingle;
        return sorted[..kept].ToArray();
    }

    /// <summary>The Jaccard similarity of two sets of shingles, 0 for empty ones.</summary>
    /// <param name="left">As <see cref="Shingles"/> gives them.</param>
    /// <param name="right">As <see cref="Shingles"/> gives them.</param>
    public static double Jaccard(ReadOnlySpan<ulong> left, ReadOnlySpan<ulong> right)
    {
        (int i, int j, int common) = (0, 0, 0);
        while (i < left.Length && j < right.Length)
        {
            (ulong a, ulong b) = (left[i], right[j]);
            if (a == b) common++;
            if (a <= b) i++;
            if (b <= a) j++;
        }
        int union = left.Length + right.Length - common;
        return union == 0 ? 0 : (double)common / union;
    }

    /// <summary>Equal places of two signatures.</summary>
    public static int Agreement(ReadOnlySpan<uint> left, ReadOnlySpan<uint> right)
    {
        if (left.Length != right.Length) throw new ArgumentException($"{right.Length} values where the other signature has {left.Length}.", nameof(right));
        (int i, int equal) = (0, 0);
        for (; i <= left.Length - Vector256<uint>.Count; i += Vector256<uint>.Count)
        {
            Vector256<uint> same = Vector256.Equals(Vector256.Create(left[i..]), Vector256.Create(right[i..]));
            equal += BitOperations.PopCount(same.ExtractMostSignificantBits());
        }
        for (; i < left.Length; i++)
            if (left[i] == right[i]) equal++;
        return equal;
    }

    /// <summary>Lowers the minima by some shingles. Integers only, and minima do not depend on an order: any register width gives the same.</summary>
    private void Lower(ReadOnlySpan<ulong> shingles, Span<uint> minima)
    {
        for (int at = 0; at < minima.Length; at += Block)
        {
            Vector256<uint> a0 = Vector256.Create(_multipliers.AsSpan(at)), a1 = Vector256.Create(_multipliers.AsSpan(at + 8));
            Vector256<uint> m0 = Vector256.Create<uint>(minima[at..]), m1 = Vector256.Create<uint>(minima[(at + 8)..]);
            foreach (ulong shingle in shingles)
            {
                Vector256<uint> low = Vector256.Create((uint)shingle), high = Vector256.Create((uint)(shingle >> 32));
                m0 = Vector256.Min(m0, a0 * low + high);
                m1 = Vector256.Min(m1, a1 * low + high);
            }
            m0.CopyTo(minima[at..]);
            m1.CopyTo(minima[(at + 8)..]);
        }
    }
}
