using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

public class NumericsClassTests
{
    [Fact]
    public void The_probe_repeats_in_any_thread()
    {
        Digest256 first = NumericsClass.Probe(ComputeKind.Fp32), other = default;
        var thread = new Thread(() => other = NumericsClass.Probe(ComputeKind.Fp32));
        thread.Start();
        thread.Join();
        Assert.Equal(first, other);
        Assert.False(first.IsZero);
    }

    [Fact]
    public void Each_kind_of_arithmetic_is_a_class_of_its_own() => Assert.NotEqual(NumericsClass.Probe(ComputeKind.Fp32), NumericsClass.Probe(ComputeKind.Bf16));
}
