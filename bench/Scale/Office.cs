using System.Diagnostics;
using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Scale;

/// <summary>The world of one <see cref="Coordinator"/>: what the actor TrainingRun is to it in the product. Everything that runs in the coordinator is timed.</summary>
internal sealed class Office : ICoordinatorHost
{
    private readonly Cluster _cluster;
    private readonly Coordinator _coordinator;
    private readonly List<(IRunEvent Event, Action Durable)> _unwritten = [];
    private readonly Dictionary<string, object> _timers = [];
    private long _outside;
    private bool _isWriting, _isOver, _hasGranted;

    public Office(Cluster cluster, Node node, RunState state, long journalLength, NodeId? lost)
    {
        _cluster = cluster;
        CoordinatorNode = node;
        JournalLength = journalLength;
        Ref = new Ref(node.Root / "run", _ => { });
        _coordinator = new Coordinator(this, cluster.Facts, new RunTarget(long.MaxValue, 1, cluster.Nodes.Count()), state, lost);
    }

    public Ref Ref { get; }

    public Node CoordinatorNode { get; }

    public RunState State => _coordinator.State;

    /// <summary>Seconds of handlers so far.</summary>
    public double HandlerSeconds { get; private set; }

    /// <summary>When it first granted ranks, and the seconds of its handlers until then; null before.</summary>
    public (TimeSpan At, double HandlerSeconds)? FirstGrant { get; private set; }

    public DateTime UtcNow => _cluster.Time.UtcNow;

    public IActorRef Self => Ref;

    NodeId ICoordinatorHost.Node => CoordinatorNode.Id;

    public int Pid => 1;

    public IActorRef CheckpointWriter => CoordinatorNode.Writer;

    public long JournalLength { get; private set; }

    public bool HasJournaled { get; private set; }

    public RunNotes Notes { get; } = new();

    public StepClock Clock { get; } = new();

    public void Start()
    {
        HasJournaled = JournalLength > 0;
        Timed("Start", _coordinator.Start);
        _cluster.Time.Every(Coordinator.TickInterval, () =>
        {
            if (_isOver) return false;
            Timed("Tick", _coordinator.Tick);
            if (_coordinator.IsInOffice) TookOffice(_coordinator.Term);
            return true;
        });
    }

    public void Stop() => _isOver = true;

    public void Receive(object message, IActorRef sender)
    {
        if (_isOver) return;
        Timed(message.GetType().Name, () => _coordinator.Receive(message, sender));
    }

    public void Tell(IActorRef to, object message)
    {
        long start = Stopwatch.GetTimestamp();
        _hasGranted |= message is GrantRanks;
        _cluster.Traffic.CountSent(message);
        _cluster.Time.After(_cluster.Latency(), () => ((Ref)to).Deliver(message));
        _outside += Stopwatch.GetTimestamp() - start;
    }

    public void TellEntity(ReplicaPlacement placement, object message)
    {
        long start = Stopwatch.GetTimestamp();
        _cluster.Traffic.CountSent(message);
        _cluster.Time.After(_cluster.Latency(), () => _cluster.Entity(placement)?.Ref.Deliver(message));
        _outside += Stopwatch.GetTimestamp() - start;
    }

    public void Record(IRunEvent @event, Action durable)
    {
        long start = Stopwatch.GetTimestamp();
        _cluster.Traffic.CountSent(@event);
        _unwritten.Add((@event, durable));
        Write();
        _outside += Stopwatch.GetTimestamp() - start;
    }

    public void MarkJournaled() => HasJournaled = true;

    public void After(TimeSpan time, string key, object message)
    {
        object token = _timers[key] = new object();
        _cluster.Time.After(time, () =>
        {
            if (_timers[key] == token) Receive(message, Ref);
        });
    }

    public bool IsMember(NodeId node) => _cluster.IsMember(node);

    public bool MayBeAlive(NodeId node) => _cluster.IsMember(node);

    public void WatchLink(NodeId node, string dataPlane) => _cluster.WatchLink(this, node);

    public void Probe(NodeId node) => _cluster.Probe(this, node);

    public void FindStartPoint(int attempt, IReadOnlySet<Lineage> versions)
    {
        if (versions.Count > 0) throw new InvalidOperationException("The model has no rewinds: a shard was lost with all its replicas.");
        _cluster.Time.After(_cluster.Latency(), () => Receive(new StartPoint(attempt, null, [], []), Ref));
    }

    public void SaveSnapshot(RunSnapshot snapshot)
    {
    }

    public void EndProcess(RunEnded end) => throw new InvalidOperationException($"The run has ended: {end.Message}");

    public void Decided(Actors.Freezing.StepDecided step) => _cluster.OnDecided(step.Step);

    public void TookOffice(Term term)
    {
        // Sent by the node's Succession, not by the coordinator, but from the same machine.
        _cluster.Traffic.Of(nameof(CoordinatorHeartbeat)).Sent += _cluster.Members;
    }

    public void StepDown(Term newer) => throw new InvalidOperationException($"Superseded by term {newer}.");

    private void Timed(string kind, Action action)
    {
        _outside = 0;
        long start = Stopwatch.GetTimestamp();
        action();
        long ticks = Stopwatch.GetTimestamp() - start - _outside;
        _cluster.Traffic.Of(kind).HandlerTicks += ticks;
        double seconds = (double)ticks / Stopwatch.Frequency;
        HandlerSeconds += seconds;
        if (_hasGranted) FirstGrant ??= (_cluster.Time.Now, HandlerSeconds);
    }

    /// <summary>One batch at a time, as the actor writes.</summary>
    private void Write()
    {
        if (_isWriting || _isOver || _unwritten.Count == 0) return;
        _isWriting = true;
        var batch = _unwritten.ToList();
        _unwritten.Clear();
        _cluster.Time.After(_cluster.Scenario.Journal, () =>
        {
            _isWriting = false;
            if (_isOver) return;
            JournalLength += batch.Count;
            foreach (var (@event, durable) in batch) Timed($"{@event.GetType().Name} is durable", durable);
            Write();
        });
    }
}
