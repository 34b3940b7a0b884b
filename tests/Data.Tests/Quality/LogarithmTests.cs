using ElasticTrain.Core;
using ElasticTrain.Data.Quality;

namespace ElasticTrain.Data.Tests.Quality;

public sealed class LogarithmTests
{
    [Fact]
    public void Logarithm_and_exponential_are_those_of_the_library_to_the_last_digits()
    {
        for (int i = 0; i < 20_000; i++)
        {
            double value = Math.ScaleB(1 + CounterRandom.Bits(1, (ulong)i) / 18446744073709551616.0, (int)(CounterRandom.Bits(2, (ulong)i) % 2000) - 1000);
            Assert.Equal(1, Math.Log(value) == 0 ? 1 : Logarithm.Of(value) / Math.Log(value), 13);
            double power = (CounterRandom.Bits(3, (ulong)i) / 18446744073709551616.0 - 0.5) * 1400;
            Assert.Equal(1, DeterministicMath.Exp(power) / Math.Exp(power), 12);
        }
        Assert.Equal((0, 1), (Logarithm.Of(1), DeterministicMath.Exp(0)));
        Assert.Equal((0, double.PositiveInfinity), (DeterministicMath.Exp(-1000), DeterministicMath.Exp(1000)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Logarithm.Of(0));
    }
}
