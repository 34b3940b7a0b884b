using Akka.Actor;
using ElasticTrain.Actors.Freezing;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Runs;

/// <summary>A coordinator looks at the placement only when something has changed: what changes must be noticed, also when no replica came or went.</summary>
public sealed class CoordinatorPlacementTests
{
    private static readonly NodeId First = new("node-1", "akka://1", 1), Second = new("node-2", "akka://2", 2), Third = new("node-3", "akka://3", 3);

    private readonly Host _host = new();
    private readonly Coordinator _coordinator;

    public CoordinatorPlacementTests()
    {
        _coordinator = new Coordinator(_host, _host.Facts, new RunTarget(1000, 1, 2), RunState.Empty);
        _coordinator.Start();
        Hello(First);
        Hello(Second);
        _coordinator.Receive(new StartPoint(1, null, [], []), ActorRefs.Nobody);
        foreach (var (_, start) in _host.Starts.ToList()) _coordinator.Receive(new ReplicaReady(start.Shard, start.Replica, start.Source.Version, ActorRefs.Nobody), ActorRefs.Nobody);
        Assert.Equal(2 * _host.Facts.Layout.Shards.Count, _coordinator.State.Replicas.Count);
        Wait();
        Assert.DoesNotContain(_host.Events, e => e is ReplicaRecruited);
    }

    [Fact]
    public void Replicas_move_to_a_node_that_comes_after_the_placement_was_found_good()
    {
        Hello(Third);
        Wait();
        Assert.Contains(_host.Events, e => e is ReplicaRecruited { Placement.Node: var node } && node == Third);
    }

    [Fact]
    public void Replicas_leave_a_node_that_drains_after_the_placement_was_found_good()
    {
        Hello(Third);
        Wait();
        _host.Events.Clear();
        _coordinator.Receive(new DrainNode("drain-1", "me", Second.Name, true), ActorRefs.Nobody);
        Wait();
        Wait();
        Assert.All(_host.Events.OfType<ReplicaRecruited>(), e => Assert.Equal(Third, e.Placement.Node));
        Assert.Contains(_host.Events, e => e is ReplicaRecruited);
    }

    private void Hello(NodeId node) => _coordinator.Receive(new WorkerHello(
        node, 1, _host.Facts.Run, NodeRuntime.ProtocolVersion, _host.Facts.PlanHash, _host.Facts.NumericsClass, node.Name, ActorRefs.Nobody, [ActorRefs.Nobody], []), ActorRefs.Nobody);

    /// <summary>A few ticks, as long as nobody is suspected.</summary>
    private void Wait()
    {
        for (int i = 0; i < 3; i++) _coordinator.Tick();
    }

    /// <summary>Everything is durable at once, everybody is a member, and time stands still.</summary>
    private sealed class Host : ICoordinatorHost
    {
        private static readonly Plan Plan = Plan.Parse("model { preset = tiny }\nbatch { train-batch-size = 8, micro-batch-size = 1, sequence-length = 32 }\nphases = [ { steps = 60 } ]\noptimizer { learning-rate = 3e-3 }", "placement.conf", []);

        public RunFacts Facts { get; } = new(
            new RunId(Guid.Empty), Plan, ParameterLayout.Create(ModelConfig.Preset("tiny")), 8, Digest256.Of("plan"), Digest256.Of("numerics"), Digest256.Of("initial"), (_, _) => 8, (_, _) => Plan);

        public List<IRunEvent> Events { get; } = [];

        public List<(ReplicaPlacement Placement, StartReplica Start)> Starts { get; } = [];

        public DateTime UtcNow { get; } = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        public IActorRef Self => ActorRefs.Nobody;

        public NodeId Node => First;

        public int Pid => 1;

        public IActorRef CheckpointWriter => ActorRefs.Nobody;

        public long JournalLength => Events.Count;

        public bool HasJournaled { get; private set; }

        public RunNotes Notes { get; } = new();

        public StepClock Clock { get; } = new();

        public void Tell(IActorRef to, object message)
        {
        }

        public void TellEntity(ReplicaPlacement placement, object message) => Starts.Add((placement, (StartReplica)message));

        public void Record(IRunEvent @event, Action durable)
        {
            Events.Add(@event);
            durable();
        }

        public void MarkJournaled() => HasJournaled = true;

        public void After(TimeSpan time, string key, object message)
        {
        }

        public bool IsMember(NodeId node) => true;

        public bool MayBeAlive(NodeId node) => true;

        public void WatchLink(NodeId node, string dataPlane)
        {
        }

        public void Probe(NodeId node)
        {
        }

        public void FindStartPoint(int attempt, IReadOnlySet<Lineage> versions)
        {
        }

        public void SaveSnapshot(RunSnapshot snapshot)
        {
        }

        public void EndProcess(RunEnded end) => Assert.Fail(end.Message);

        public void Decided(StepDecided step)
        {
        }

        public void TookOffice(Term term)
        {
        }

        public void StepDown(Term newer) => Assert.Fail($"superseded by term {newer}");
    }
}
