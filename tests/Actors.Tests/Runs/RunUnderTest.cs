using Akka.Actor;
using Akka.Cluster;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

/// <summary>A coordinator over a controlled journal; the test plays its shards, devices, agent and storage.</summary>
public abstract class RunUnderTest : TestKit, IClassFixture<TestRun>
{
    private const string Config = """
        akka {
          loglevel = ERROR
          stdout-loglevel = OFF
          log-dead-letters = off
          actor.provider = cluster
          remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
          persistence {
            journal.plugin = controlled
            snapshot-store.plugin = "akka.persistence.snapshot-store.inmem"
          }
          test { single-expect-default = 60s, default-timeout = 60s }
        }
        controlled {
          class = "ElasticTrain.Actors.Tests.Runs.ControlledJournal, ElasticTrain.Actors.Tests"
          plugin-dispatcher = "akka.actor.default-dispatcher"
        }
        """;

    protected static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly TestRun _run;
    private readonly HashSet<ReplicaId> _placed = [];
    private Attempt _attempt;

    protected RunUnderTest(TestRun run, string plan = "") : base(Config)
    {
        _run = run;
        var cluster = Cluster.Get(Sys);
        cluster.JoinAsync(cluster.SelfAddress).Wait(Deadline);
        AwaitAssert(() => Assert.Contains(cluster.State.Members, m => m.Status == MemberStatus.Up), Deadline);
        Id = new NodeId("node-1", cluster.SelfAddress.ToString(), cluster.SelfUniqueAddress.Uid);
        Node = run.Node(run.Define(plan), Id);
        Journal = JournalControl.Of(Node.Run);
        (Region, Agent, Client) = (CreateTestProbe("region"), CreateTestProbe("agent"), CreateTestProbe("client"));
        Shards = [.. Node.Layout.Shards.Select(s => CreateTestProbe($"shard-{s.Id.Value}"))];
        Devices = [.. Enumerable.Range(0, 2).Select(i => CreateTestProbe($"device-{i}"))];
        Storage = CreateTestProbe("storage");
        Node.CheckpointWriter = Storage;
    }

    private protected NodeRuntime Node { get; }
    private protected NodeId Id { get; }
    private protected JournalControl Journal { get; }
    private protected RunNotes Notes { get; } = new();
    private protected TestProbe Region { get; }
    private protected TestProbe Agent { get; }
    private protected TestProbe Client { get; }
    private protected TestProbe Storage { get; }
    private protected TestProbe[] Shards { get; }
    private protected TestProbe[] Devices { get; }

    /// <summary>What the node's hellos name while <see cref="Compute"/> waits.</summary>
    private protected HeldReplica[] Holding { get; set; } = [];

    protected override void AfterAll()
    {
        base.AfterAll();
        Node.DisposeAsync().AsTask().Wait(Deadline);
    }

    private protected IActorRef Coordinator(long steps = 20)
    {
        var coordinator = Sys.ActorOf(Props.Create(() => new TrainingRun(Node, new RunTarget(steps, 1, 1), Notes, Region, new Term(0), null, false)));
        Watch(coordinator);
        return coordinator;
    }

    private protected void Stop(IActorRef coordinator)
    {
        Sys.Stop(coordinator);
        ExpectTerminated(coordinator, Deadline);
    }

    private protected WorkerHello Hello(params HeldReplica[] replicas) => new(
        Id, 1, Node.Run, NodeRuntime.ProtocolVersion, Node.Definition.PlanHash, Node.NumericsClass, Node.DataPlane, Agent, [.. Devices.Select(d => (IActorRef)d.Ref)], replicas);

    /// <summary>Says hello until the coordinator asks the shards' region to start replicas, and answers that they are ready.</summary>
    private protected List<StartReplica> PlaceReplicas(IActorRef coordinator)
    {
        AwaitAssert(() =>
        {
            coordinator.Tell(Hello(), Agent);
            Assert.True(Region.HasMessages);
        }, Deadline);
        var starts = new List<StartReplica>();
        while (starts.Count < Shards.Length)
        {
            var start = (StartReplica)Region.ExpectMsg<ShardEnvelope>().Message;
            // An earlier placement's are said again until they are answered, and may still lie here.
            if (!_placed.Contains(start.Replica) && starts.All(s => s.Shard != start.Shard)) starts.Add(start);
        }
        _placed.UnionWith(starts.Select(s => s.Replica));
        foreach (var start in starts)
            coordinator.Tell(new ReplicaReady(start.Shard, start.Replica, start.Source.Version, Shards[start.Shard.Value]), Shards[start.Shard.Value]);
        Holding = Held(starts, Shards, starts[0].Source.Version);
        return starts;
    }

    private protected static HeldReplica[] Held(IEnumerable<StartReplica> starts, TestProbe[] shards, Lineage applied) =>
        [.. starts.Select(s => new HeldReplica(s.Shard, s.Replica, applied, shards[s.Shard.Value]))];

    /// <summary>Computes what the devices (all of them, if none is named) are granted until the step is complete.</summary>
    private protected void Compute(IActorRef coordinator, long step, params TestProbe[] devices)
    {
        var done = new HashSet<int>();
        AwaitAssert(
            () =>
            {
                // A node that says nothing gets no work.
                coordinator.Tell(Hello(Holding), Agent);
                foreach (var device in devices.Length > 0 ? devices : Devices)
                {
                    while (device.HasMessages)
                    {
                        // Also what was granted twice, while the test was slow: the device is busy until it answers.
                        if (device.ExpectMsg<object>() is not GrantRanks grant || grant.Input.Step.Next.Value > step) continue;
                        coordinator.Tell(Completed(grant), device);
                        if (grant.Input.Step.Next.Value < step) continue;
                        done.UnionWith(Enumerable.Range(grant.Ranks.Lo, grant.Ranks.Count));
                    }
                }
                Assert.Equal(Node.VirtualRanks, done.Count);
            },
            Deadline, TimeSpan.FromMilliseconds(5));
    }

    private protected RanksCompleted Completed(GrantRanks grant)
    {
        long whole = Node.Definition.Samples.UnmaskedTokens(grant.Input.Step.Next);
        if (grant.Attempt > _attempt) _attempt = grant.Attempt;
        // All tokens are counted by rank 0: only the sum is checked.
        return new RanksCompleted(grant.Term, grant.GrantId, grant.Input, grant.Ranks, [.. Enumerable.Range(grant.Ranks.Lo, grant.Ranks.Count).Select(rank =>
            new RankOutcome(rank, rank == 0 ? whole : 0, new long[Node.Layout.MoeLayerCount * Node.Layout.Config.NRoutedExperts]))])
        {
            Attempt = grant.Attempt,
            IsAudit = grant.IsAudit,
            Checksums = [.. grant.Audited.Select(rank => new RankChecksums(rank, [(ulong)rank, 77]))],
        };
    }

    private protected GradientSealed Seal(StartReplica start, Lineage input, ulong salt = 0) =>
        new(start.Shard, start.Replica, input, 1, true, new UInt128(salt, (ulong)(input.Step.Value * 1000) + (ulong)start.Shard.Value)) { Attempt = _attempt };

    private protected void SealAll(IActorRef coordinator, IEnumerable<StartReplica> starts, Lineage input, ulong salt = 0)
    {
        foreach (var start in starts) coordinator.Tell(Seal(start, input, salt), Shards[start.Shard.Value]);
    }

    /// <summary>What a shard is told to apply next, whatever is repeated before it.</summary>
    private protected ApplyStep ExpectApply(StartReplica start, long step, Term? term = null)
    {
        while (true)
        {
            object message = Shards[start.Shard.Value].ExpectMsg<object>(Deadline);
            if (message is ApplyStep apply && apply.Output.Step.Value == step && (term is null || apply.Term == term)) return apply;
        }
    }

    /// <summary>Runs one step from grant to confirmation.</summary>
    private protected ApplyStep Step(IActorRef coordinator, IReadOnlyList<StartReplica> starts, Lineage input)
    {
        long step = input.Step.Next.Value;
        Compute(coordinator, step);
        SealAll(coordinator, starts, input);
        ApplyStep last = null!;
        foreach (var start in starts)
        {
            last = ExpectApply(start, step);
            coordinator.Tell(new StepApplied(start.Shard, start.Replica, last.Output, 0), Shards[start.Shard.Value]);
        }
        return last;
    }

    private protected void Written<TEvent>(Func<TEvent, bool> which) =>
        AwaitAssert(() => Assert.Contains(Journal.Written, e => e is TEvent wanted && which(wanted)), Deadline);

    /// <summary>Everything sent to the coordinator before is handled when this returns.</summary>
    private protected RunStatus Status(IActorRef coordinator)
    {
        coordinator.Tell(new GetStatus(), Client);
        return Client.FishForMessage<RunStatus>(_ => true, Deadline);
    }
}
