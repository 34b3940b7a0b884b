using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Freezing;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Freezing;

/// <summary>The policy's actor, with the test as the run.</summary>
public sealed class FreezePolicyTests(TestRun run) : TestKit("akka { loglevel = ERROR, stdout-loglevel = OFF, log-dead-letters = off, test.single-expect-default = 60s }"), IClassFixture<TestRun>
{
    private const string Schedule = "freeze { policy = schedule, moments = drop, schedule = [ { step = 10, layers = 0 }, { step = 12, layers = 0-1 }, { step = 20, layers = none } ] }";

    private NodeRuntime? _node;
    private TestProbe _coordinator = null!;

    private NodeRuntime Start(string plan)
    {
        _node = run.Node(run.Define(plan));
        _coordinator = CreateTestProbe();
        var policy = Sys.ActorOf(Props.Create(() => new FreezePolicy(_node, _coordinator)));
        // It has subscribed when it answers.
        policy.Tell(new Identify(1), _coordinator);
        _coordinator.ExpectMsg<ActorIdentity>();
        return _node;
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        _node?.DisposeAsync().AsTask().Wait(TimeSpan.FromSeconds(30));
    }

    private void Decide(long step, int frozen = 0, Func<int, double>? norm = null) => Sys.EventStream.Publish(new StepDecided(
        new Step(step), frozen, 1e-3,
        [.. _node!.Layout.Shards.Where(s => !Model.ParameterLayout.IsFrozen(s, frozen)).Select(s => (s.Id, Math.Pow((norm ?? (_ => 1))(s.Layer), 2)))]));

    private void Answer(CommandAnswer answer) => _coordinator.Reply(answer);

    [Fact]
    public void Commands_go_out_one_at_a_time_in_order_until_each_is_answered()
    {
        Start(Schedule);
        Decide(1);
        var first = _coordinator.ExpectMsg<FreezeLayers>();
        Assert.Equal(new FreezeLayers("freeze-schedule-10-1", "freeze policy", 0, new Step(10), true), first);
        // Not now: the same command again.
        Answer(new CommandAnswer(false, "taking office", null, Retry: true));
        Assert.Equal(first, _coordinator.ExpectMsg<FreezeLayers>());
        Answer(new CommandAnswer(true, "frozen", new Step(10)));
        // Too late for its step: from the next one on.
        Assert.Equal(new Step(12), _coordinator.ExpectMsg<FreezeLayers>().At);
        Answer(new CommandAnswer(false, "--at: found 12, expected 13 or later", null));
        Assert.Equal(new FreezeLayers("freeze-schedule-12-2", "freeze policy", 1, null, true), _coordinator.ExpectMsg<FreezeLayers>());
        Answer(new CommandAnswer(true, "frozen", new Step(13)));
        Assert.Equal(new ThawLayers("freeze-schedule-20-0", "freeze policy", new Step(20)), _coordinator.ExpectMsg<ThawLayers>());
    }

    [Fact]
    public void Steps_that_a_replay_decides_again_are_not_seen_twice_and_norms_are_those_of_layers()
    {
        Start("freeze { policy = plateau, window = 2, threshold = 0.1, patience = 1 }");
        // Layer 0 stands still, the embedding and the head do not, layer 1 does not either.
        double Norm(int layer, long step) => layer == 0 ? 1 : step;
        for (long step = 1; step <= 3; step++) Decide(step, 0, layer => Norm(layer, step));
        for (long step = 1; step <= 3; step++) Decide(step, 0, layer => 100);
        Decide(4, 0, layer => Norm(layer, 4));
        var freeze = _coordinator.ExpectMsg<FreezeLayers>();
        Assert.Equal(("freeze-plateau-4-1", 0, (Step?)null), (freeze.CommandId, freeze.LastLayer, freeze.At));
    }

    [Fact]
    public void The_probe_compares_the_newest_checkpoint_with_the_first_that_it_saw()
    {
        var definition = Start(Schedule).Definition;
        var probe = new SnapshotProbe(definition, 4);
        Assert.Null(probe.Look());
        Store(definition, 1, seed: 1);
        Assert.Null(probe.Look()); // the reference
        Assert.Null(probe.Look()); // nothing new
        Store(definition, 2, seed: 1);
        Assert.Equal([0, 0, 0], probe.Look()!);
        Store(definition, 3, seed: 2);
        Assert.All(probe.Look()!, plasticity => Assert.InRange(plasticity, 1e-9, 1));
    }

    /// <summary>A checkpoint of initial states, without moments.</summary>
    private static void Store(RunDefinition definition, long step, ulong seed)
    {
        var blobs = new List<BlobReference>();
        foreach (var shard in definition.Layout.Shards)
        {
            using var state = new ShardState(definition.Layout, shard.Id, definition.Optimizer);
            state.Initialize(seed);
            blobs.Add(definition.Checkpoints.WriteBlob(shard.Id, state.Parameters.Span, [], []));
        }
        definition.Checkpoints.WriteManifest(new CheckpointManifest(new Step(step), Digest256.Of($"{step}"), definition.PlanHash, 0, blobs));
    }
}
