using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace ElasticTrain.Collectives.Tests.Optimizer;

public sealed class GradientStatisticsTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(10_007)]
    public void The_sum_of_squares_has_the_documented_order_to_the_last_bit(int length)
    {
        float[] g = Values(length);
        double expected = 0;
        for (int start = 0; start < length; start += 4096)
        {
            var lanes = new double[16];
            for (int i = start; i < Math.Min(start + 4096, length); i++) lanes[(i - start) % 16] += (double)g[i] * g[i];
            for (int half = 8; half > 0; half /= 2)
            {
                for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
            }
            expected += lanes[0];
        }
        var (sum, finite, digest) = GradientStatistics.Of(g);
        Assert.Equal(BitConverter.DoubleToInt64Bits(expected), BitConverter.DoubleToInt64Bits(sum));
        Assert.True(finite);
        Assert.Equal(XxHash128.HashToUInt128(MemoryMarshal.AsBytes(g.AsSpan())), digest);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void One_value_that_is_not_finite_is_noticed_wherever_it_stands(float bad)
    {
        float[] g = Values(5000);
        foreach (int i in new[] { 0, 7, 4095, 4096, 4999 })
        {
            float before = g[i];
            g[i] = bad;
            var (sum, finite, _) = GradientStatistics.Of(g);
            Assert.False(finite);
            Assert.True(double.IsNaN(sum));
            g[i] = before;
        }
    }

    [Fact]
    public void The_largest_finite_values_are_finite()
    {
        float[] g = [.. Enumerable.Repeat(float.MaxValue, 100_000)];
        Assert.True(GradientStatistics.Of(g).Finite);
    }

    private static float[] Values(int length)
    {
        var random = new Random(length);
        return [.. Enumerable.Range(0, length).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-6, 7))))];
    }
}
