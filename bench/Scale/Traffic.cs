using System.Diagnostics;
using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Serialization;

namespace ElasticTrain.Scale;

/// <summary>What is counted of one kind of message, event or timer.</summary>
internal sealed class Tally
{
    public long Sent { get; set; }

    public long Received { get; set; }

    /// <summary>Handlers of the coordinator for it: ticks of <see cref="Stopwatch"/>.</summary>
    public long HandlerTicks { get; set; }

    public Sample? Sample { get; set; }

    public double HandlerSeconds => (double)HandlerTicks / Stopwatch.Frequency;
}

/// <summary>What the product's serialiser makes of one message: bytes, and seconds to write and to read them.</summary>
internal sealed record Sample(long Bytes, double Write, double Read);

/// <summary>Counts messages, events and handler time by kind; every so often one of a kind is really serialised.</summary>
internal sealed class Traffic
{
    private static readonly MessageSerializer Serializer = new((ExtendedActorSystem)ActorSystem.Create("scale"));

    private readonly Dictionary<string, object> _seen = [];

    public SortedDictionary<string, Tally> Kinds { get; private set; } = new(StringComparer.Ordinal);

    /// <summary>Counts from here on.</summary>
    public void Reset() => Kinds = new SortedDictionary<string, Tally>(StringComparer.Ordinal);

    public Tally Of(string kind)
    {
        if (!Kinds.TryGetValue(kind, out var tally)) Kinds[kind] = tally = new Tally();
        return tally;
    }

    public void CountSent(object message)
    {
        Of(KindOf(message)).Sent++;
        _seen[KindOf(message)] = message;
    }

    public void CountReceived(object message)
    {
        Of(KindOf(message)).Received++;
        _seen[KindOf(message)] = message;
    }

    /// <summary>Messages of one kind are of much the same size.</summary>
    private static string KindOf(object message) => message is GrantRanks { RoutesOf: null } ? "GrantRanks with routes" : message.GetType().Name;

    /// <summary>Serialises the newest message of each kind, and takes the fastest of a few turns: the machine may have others to serve.</summary>
    public void TakeSamples()
    {
        foreach (var (kind, tally) in Kinds)
        {
            if (!_seen.TryGetValue(kind, out var seen) || Manifests.NameOf(seen.GetType()) is not { } manifest) continue;
            byte[] bytes = [];
            double write = double.MaxValue, read = double.MaxValue;
            for (int turn = 0; turn < 20; turn++)
            {
                long start = Stopwatch.GetTimestamp();
                bytes = Serializer.ToBinary(seen);
                long written = Stopwatch.GetTimestamp();
                Serializer.FromBinary(bytes, manifest);
                write = Math.Min(write, Stopwatch.GetElapsedTime(start, written).TotalSeconds);
                read = Math.Min(read, Stopwatch.GetElapsedTime(written).TotalSeconds);
            }
            tally.Sample = new Sample(bytes.Length, write, read);
        }
    }
}
