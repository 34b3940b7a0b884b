using Akka.Actor;
using ElasticTrain.Actors.Devices;

namespace ElasticTrain.Actors.Loading;

/// <summary>Reads the samples of coming work into the node's cache, so that a device never waits for a page fault.</summary>
public sealed class DataLoader : ReceiveActor
{
    /// <summary>One per worker node.</summary>
    public DataLoader(SampleCache cache) => Receive<PrefetchSamples>(m => cache.ReadAhead(m.Samples, m.Step, m.Ranks));
}
