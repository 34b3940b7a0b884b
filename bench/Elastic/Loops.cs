using System.Globalization;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Folding;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Elastic;

/// <summary>What this program does as a child of itself.</summary>
internal static class Loops
{
    public const string Bare = "loop-bare", Fold = "loop-fold", Node = "loop-node";

    /// <summary>Steps until killed; says "STEP UTC-TICKS LOSS-BITS" after each.</summary>
    public static void Run(string kind, string directory)
    {
        TorchRuntime.Initialize();
        var (definition, _) = Open(directory);
        using var bare = kind == Bare ? new BareLoop(definition) : null;
        using var fold = kind == Fold ? new StepFold(definition, default, null) : null;
        for (var step = new Step(1); ; step = step.Next)
        {
            uint loss = bare is not null ? BitConverter.SingleToUInt32Bits(bare.Step(step)) : fold!.Advance(RunState.Empty).LossBits;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{step} {DateTime.UtcNow.Ticks} {loss}"));
        }
    }

    /// <summary>A node in this process, as <c>train</c> has it, whose clock is read: says where the time of <paramref name="steps"/> steps went, after a warm-up.</summary>
    public static async Task<StepTimes> RunNodeAsync(string directory, int warmUp, int steps)
    {
        TorchRuntime.Initialize();
        var (definition, journal) = Open(directory);
        journal.Prepare();
        var probe = new TaskCompletionSource<Digest256>();
        new Thread(() => probe.SetResult(NumericsClass.Probe(definition.Plan.Numerics.Compute))).Start();
        var options = new NodeOptions(
            "node-1", new ClusterEnvironment(ClusterDefaults.SystemName, "127.0.0.1", 0, [], ""), [RunNode.CoordinatorRole, RunNode.WorkerRole],
            new RunTarget(long.MaxValue, 1, 1), ChaosSettings.FromEnvironment(false));
        await using var node = await RunNode.StartAsync(options, definition, journal, await probe.Task, CancellationToken.None);
        await PassAsync(node, warmUp);
        node.Runtime.Clock.Take();
        await PassAsync(node, warmUp + steps);
        return node.Runtime.Clock.Take();
    }

    private static async Task PassAsync(RunNode node, long step)
    {
        while (await node.StatusAsync(TimeSpan.FromSeconds(1)) is not { } status || status.Step < step)
        {
            if (node.Ended.IsCompleted) throw new ElasticTrainException((await node.Ended).Message);
            await Task.Delay(20);
        }
    }

    private static (RunDefinition Definition, JournalSettings Journal) Open(string directory) =>
        Workshop.Open(directory, Plan.Load(RunFolder.Open(directory).PlanFile, []));
}
