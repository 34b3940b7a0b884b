using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ElasticTrain.Collectives;

/// <summary>
/// What a replica reports about a reduced gradient. The sum of squares has one fixed order on every processor: blocks of
/// <see cref="BlockLength"/> values; in a block, value i is squared exactly in fp64 and added to lane i mod <see cref="Lanes"/>; the lanes are
/// added pairwise, lane l to lane l + 8, then + 4, + 2, + 1; block sums are added one after another.
/// </summary>
public static class GradientStatistics
{
    /// <summary>Values per block: 16 KiB, small enough to stay in the first-level cache for hash and sum.</summary>
    public const int BlockLength = 4096;

    /// <summary>Number of fp64 accumulators, whatever the width of the processor's vectors.</summary>
    public const int Lanes = 16;

    /// <summary>Sum of squares, whether all values are finite, and the XxHash128 of the bytes (little-endian), in one pass over memory.</summary>
    /// <param name="g">The gradient.</param>
    /// <param name="known">The hash, where it is known already: it is not computed again.</param>
    /// <returns>The sum of squares is NaN if a value is not finite.</returns>
    public static (double SumOfSquares, bool Finite, UInt128 Digest) Of(ReadOnlySpan<float> g, UInt128? known = null)
    {
        var hash = known is null ? new XxHash128() : null;
        double sum = 0;
        for (; !g.IsEmpty; g = g[Math.Min(BlockLength, g.Length)..])
        {
            var block = g[..Math.Min(BlockLength, g.Length)];
            hash?.Append(MemoryMarshal.AsBytes(block));
            sum += SumOfSquares(block);
        }
        // No finite fp32 value has a square that overflows fp64, nor have 2^31 of them, so an infinite or undefined sum has an infinite or undefined term.
        bool finite = double.IsFinite(sum);
        return (finite ? sum : double.NaN, finite, known ?? hash!.GetCurrentHashAsUInt128());
    }

    private static double SumOfSquares(ReadOnlySpan<float> block)
    {
        var (a, b, c, d) = (Vector256<double>.Zero, Vector256<double>.Zero, Vector256<double>.Zero, Vector256<double>.Zero);
        int i = 0;
        for (; i + Lanes <= block.Length; i += Lanes)
        {
            var (low, lowUpper) = Vector256.Widen(Vector256.Create(block[i..]));
            var (high, highUpper) = Vector256.Widen(Vector256.Create(block[(i + 8)..]));
            a += low * low;
            b += lowUpper * lowUpper;
            c += high * high;
            d += highUpper * highUpper;
        }
        Span<double> lanes = stackalloc double[Lanes];
        a.CopyTo(lanes);
        b.CopyTo(lanes[4..]);
        c.CopyTo(lanes[8..]);
        d.CopyTo(lanes[12..]);
        for (int lane = 0; i < block.Length; i++, lane++) lanes[lane] += (double)block[i] * block[i];
        for (int half = Lanes / 2; half > 0; half /= 2)
        {
            for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
        }
        return lanes[0];
    }
}
