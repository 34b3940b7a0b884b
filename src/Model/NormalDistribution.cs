using ElasticTrain.Core;

namespace ElasticTrain.Model;

/// <summary>Normally distributed values as a function of key and index (Box and Muller, 1958), with arithmetic that every machine rounds alike.</summary>
internal static class NormalDistribution
{
    /// <summary>Fills <paramref name="values"/> with draws of mean 0; value i depends on the key and on i only.</summary>
    internal static void Fill(ulong key, double standardDeviation, Span<float> values)
    {
        Span<double> draws = stackalloc double[4];
        for (int i = 0; i < values.Length; i += 4)
        {
            var (a, b, c, d) = CounterRandom.Block(key, (ulong)i / 4);
            (draws[0], draws[1]) = Pair(a, b);
            (draws[2], draws[3]) = Pair(c, d);
            for (int lane = 0; lane < 4 && i + lane < values.Length; lane++) values[i + lane] = (float)(standardDeviation * draws[lane]);
        }
    }

    private static (double, double) Pair(uint a, uint b)
    {
        // (a + 1) / 2^32 lies in (0, 1], so that the logarithm is finite: at most 6.66 standard deviations.
        double radius = Math.Sqrt(-2 * DeterministicMath.Log((a + 1.0) / 4294967296.0));
        var (sin, cos) = DeterministicMath.SinCos(b / 4294967296.0 * (2 * Math.PI));
        return (radius * cos, radius * sin);
    }
}
