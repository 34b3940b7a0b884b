using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Scale;

/// <summary>Everything that is assumed about the cluster; docs/scale.md says why.</summary>
internal sealed record Scenario
{
    public const int DevicesPerNode = 8;
    public const int TokensPerRank = 4096;

    private static readonly ParameterLayout V2Lite = ParameterLayout.Create(ModelConfig.Preset("v2-lite"));

    public required int Devices { get; init; }

    public required int RanksPerDevice { get; init; }

    public required int Steps { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>Nodes that are missing from the beginning.</summary>
    public int MissingNodes { get; init; }

    /// <summary>Node failures, at random moments of the run.</summary>
    public int Failures { get; init; }

    /// <summary>After how long another node takes a failed one's place.</summary>
    public TimeSpan ReplacedAfter { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A rank's forward and backward pass, its parameters pulled and its gradient sent: the median of a device.</summary>
    public double RankSeconds { get; init; } = 1;

    /// <summary>Devices differ for good: sigma of a lognormal factor.</summary>
    public double DeviceSpread { get; init; } = 0.02;

    /// <summary>A rank differs from the next one: sigma of a lognormal factor.</summary>
    public double RankSpread { get; init; } = 0.03;

    /// <summary>Share of devices that need half as long again.</summary>
    public double Stragglers { get; init; } = 0.001;

    /// <summary>A control message's way; twice as long at most, evenly.</summary>
    public TimeSpan Latency { get; init; } = TimeSpan.FromMicroseconds(200);

    /// <summary>From the last contribution to a shard's seal.</summary>
    public TimeSpan Sum { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Adam's pass over a shard.</summary>
    public TimeSpan Apply { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>A batch of events becomes durable.</summary>
    public TimeSpan Journal { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Bytes per second with which a shard is copied from its sibling.</summary>
    public double CopyRate { get; init; } = 5e9;

    /// <summary>A killed process's connections break at once.</summary>
    public TimeSpan LinkBreaks { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>The cluster puts a node out that it has not heard for this long.</summary>
    public TimeSpan GoneAfter { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A successor takes the coordinator's place (bench/README.md, measured: 0.4 s).</summary>
    public TimeSpan SuccessorAfter { get; init; } = TimeSpan.FromMilliseconds(400);

    public TimeSpan HelloInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    public int VirtualRanks => Devices * RanksPerDevice;

    public int Nodes => (Devices + DevicesPerNode - 1) / DevicesPerNode;

    public static ParameterLayout Layout => V2Lite;

    /// <summary>The run as its coordinator knows it.</summary>
    public RunFacts Facts()
    {
        var plan = Plan.Parse(
            $$"""
            model { preset = v2-lite }
            batch { train-batch-size = {{VirtualRanks}}, micro-batch-size = 1, sequence-length = {{TokensPerRank}} }
            phases = [ { steps = 1000000 } ]
            optimizer { learning-rate = 1e-4 }
            """,
            "scale.conf", []);
        plan = plan with { Checkpoint = plan.Checkpoint with { Every = 25 } };
        return new RunFacts(
            new RunId(new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)), plan, Layout, VirtualRanks, Digest256.Of("plan"), Digest256.Of("numerics"), Digest256.Of("initial"),
            (_, _) => (long)VirtualRanks * TokensPerRank, (_, _) => plan);
    }
}
