using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

public class NumericsClassTests
{
    [Fact]
    public void The_probe_repeats_in_any_thread()
    {
        Digest256 first = NumericsClass.Probe(), other = default;
        var thread = new Thread(() => other = NumericsClass.Probe());
        thread.Start();
        thread.Join();
        Assert.Equal(first, other);
        Assert.False(first.IsZero);
    }
}
