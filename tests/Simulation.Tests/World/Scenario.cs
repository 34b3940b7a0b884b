using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Faults;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>Everything that a seed decides before the first event: the cluster, the plan and the faults.</summary>
public sealed record Scenario
{
    private static readonly ParameterLayout[] Layouts = [Small(1, 1), Small(1, 0), Small(2, 1), Small(2, 0), Small(3, 1), Small(3, 0)];

    private static readonly double[] AuditShares = [0.03, 0.3, 1];

    private static readonly Plan Base = Plan.Parse(
        """
        model { preset = tiny }
        batch { train-batch-size = 8, micro-batch-size = 1, sequence-length = 32 }
        phases = [ { steps = 60 } ]
        optimizer { learning-rate = 3e-3 }
        """,
        "simulated.conf", []);

    /// <summary>The seed.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Nodes.</summary>
    public required int Nodes { get; init; }

    /// <summary>Devices of each node.</summary>
    public required int Devices { get; init; }

    /// <summary>The run's last step.</summary>
    public required int Steps { get; init; }

    /// <summary>V.</summary>
    public required int VirtualRanks { get; init; }

    /// <summary>The plan.</summary>
    public required Plan Plan { get; init; }

    /// <summary>Parameters and shards: a few floats each.</summary>
    public required ParameterLayout Layout { get; init; }

    /// <summary>How long a rank takes.</summary>
    public required TimeSpan RankTime { get; init; }

    /// <summary>The faults.</summary>
    public required FaultPlan Faults { get; init; }

    /// <summary>The optimizer's constants.</summary>
    public OptimizerConstants Optimizer => new(
        (float)Plan.Optimizer.Beta1, (float)Plan.Optimizer.Beta2, (float)Plan.Optimizer.Epsilon, (float)Layout.Config.BiasUpdateSpeed);

    /// <summary>The scenario of a seed.</summary>
    public static Scenario Of(ulong seed)
    {
        var random = new SimRandom(SimRandom.Hash(seed, 1));
        int ranks = random.Next(4, 17), steps = random.Next(10, 31), nodes = random.Next(2, 6);
        var faults = FaultPlan.Of(random);
        if (faults.Flip != FlipKind.None) nodes = Math.Max(nodes, 3);
        int replicas = faults.Flip != FlipKind.None ? random.Next(2, 4) : random.Next(1, 4);
        var layout = random.Of(Layouts);
        // From a stream of its own, so that what else a seed decides stays as it was before there were audits.
        var auditing = new SimRandom(SimRandom.Hash(seed, 9));
        double audit = auditing.Chance(0.5) ? 0 : auditing.Of(AuditShares);
        if (faults.Flip == FlipKind.None && auditing.Chance(0.15))
        {
            (nodes, audit) = (Math.Max(nodes, 3), 1);
            faults = faults with { Corruption = Corruption.Of(auditing, nodes, steps) };
        }
        int devices = random.Next(1, 3);
        if (auditing.Chance(0.1)) faults = faults with { Hang = new Hang(auditing.Next(0, nodes), auditing.Next(1, steps)) };
        var batch = Base.Batch with { TrainBatchSize = ranks };
        return new Scenario
        {
            Seed = seed,
            Nodes = nodes,
            Devices = devices,
            Steps = steps,
            VirtualRanks = ranks,
            Layout = layout,
            RankTime = random.Milliseconds(2, 40),
            Faults = faults,
            Plan = Base with
            {
                Batch = batch,
                Phases = [Base.Phases[0] with { Batch = batch }],
                Model = new ModelPlan(null, layout.Config),
                Elastic = Base.Elastic with { Replicas = replicas, MinWorkers = random.Next(1, nodes), SuspectAfter = random.Milliseconds(500, 1500), Speculate = random.Chance(0.7), Audit = audit },
                Checkpoint = Base.Checkpoint with { Every = random.Next(0, 8), Keep = random.Next(1, 4) },
            },
        };
    }

    private static ParameterLayout Small(int layers, int dense) => ParameterLayout.Create(ModelConfig.Preset("tiny") with
    {
        VocabSize = 3,
        HiddenSize = 1,
        IntermediateSize = 1,
        MoeIntermediateSize = 1,
        NumHiddenLayers = layers,
        NumAttentionHeads = 1,
        NRoutedExperts = 2,
        NSharedExperts = 0,
        NumExpertsPerTok = 1,
        FirstKDenseReplace = dense,
        NGroup = 1,
        TopkGroup = 1,
        QLoraRank = null,
        KvLoraRank = 1,
        QkRopeHeadDim = 2,
        QkNopeHeadDim = 1,
        VHeadDim = 1,
    });
}
