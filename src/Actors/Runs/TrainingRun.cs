using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Persistence;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>
/// The actor of a run's coordinator over the run's journal: gives a <see cref="Coordinator"/> its messages, its time and its journal. It decides
/// nothing itself.
/// </summary>
public sealed class TrainingRun : ReceivePersistentActor, IWithTimers, ICoordinatorHost
{
    private sealed record Tick;

    private static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(1);

    private readonly NodeRuntime _node;
    private readonly RunTarget _target;
    private readonly IActorRef _region;
    private readonly Term _known;
    private readonly NodeId? _lost;
    private readonly bool _hasRivals;
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private System.Collections.Immutable.ImmutableSortedSet<Member>? _membersOf;
    private Dictionary<(int Uid, string Address), MemberStatus> _statuses = [];
    private RunState _recovered = RunState.Empty;
    private Coordinator? _coordinator;

    /// <summary>One per term.</summary>
    /// <param name="node">The node that it runs on.</param>
    /// <param name="target">What this start aims at.</param>
    /// <param name="notes">Lines for the operator.</param>
    /// <param name="region">The replicas' shard region or proxy.</param>
    /// <param name="known">The highest term that the node has heard of: a higher one in the journal may still be held by somebody.</param>
    /// <param name="lost">A node that is known to be gone; null if there is none.</param>
    /// <param name="hasRivals">Whether other nodes of the cluster may coordinate.</param>
    public TrainingRun(NodeRuntime node, RunTarget target, RunNotes notes, IActorRef region, Term known, NodeId? lost, bool hasRivals)
    {
        _node = node;
        _target = target;
        Notes = notes;
        _region = region;
        _known = known;
        _lost = lost;
        _hasRivals = hasRivals;
        Recover<IRunEvent>(e => _recovered = _recovered.Apply(e));
        Recover<SnapshotOffer>(offer => _recovered = ((RunSnapshot)offer.Snapshot).ToState());
        Recover<RecoveryCompleted>(_ => OnRecovered());
        Command<Tick>(_ => OnTick());
        Command<ClusterEvent.IMemberEvent>(OnMemberEvent);
        Command<ClusterEvent.ReachabilityEvent>(m => Change(m.Member, m is ClusterEvent.UnreachableMember ? MembershipChange.Unreachable : MembershipChange.Reachable));
        Command<SaveSnapshotSuccess>(_ => { });
        Command<SaveSnapshotFailure>(m => _log.Warning(m.Cause, "the journal's snapshot could not be saved; recovery will read more events"));
        CommandAny(m =>
        {
            // None yet, or none any more, while the actor stops.
            if (_coordinator?.Receive(m, Sender) != true) Unhandled(m);
        });
    }

    /// <inheritdoc/>
    public override string PersistenceId => PersistenceIdOf(_node.Run);

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    public DateTime UtcNow => DateTime.UtcNow;

    /// <inheritdoc/>
    public NodeId Node => _node.Id;

    /// <inheritdoc/>
    public int Pid => Environment.ProcessId;

    /// <inheritdoc/>
    public IActorRef CheckpointWriter => _node.CheckpointWriter;

    /// <inheritdoc/>
    public long JournalLength => LastSequenceNr;

    /// <inheritdoc/>
    public bool HasJournaled => _node.Definition.Journaled;

    /// <inheritdoc/>
    public RunNotes Notes { get; }

    /// <inheritdoc/>
    public StepClock Clock => _node.Clock;

    /// <inheritdoc/>
    IActorRef ICoordinatorHost.Self => Self;

    /// <summary>The name of a run's events in the journal.</summary>
    public static string PersistenceIdOf(RunId run) => $"run-{run}";

    /// <inheritdoc/>
    public void Tell(IActorRef to, object message) => to.Tell(message, Self);

    /// <inheritdoc/>
    public void TellEntity(ReplicaPlacement placement, object message) =>
        _region.Tell(new ShardEnvelope(ReplicaEntityId.Of(placement).ToString(), message), Self);

    /// <inheritdoc/>
    public void Record(IRunEvent @event, Action durable) => PersistAsync(@event, _ => durable());

    /// <inheritdoc/>
    public void MarkJournaled() => _node.Definition.MarkJournaled();

    /// <inheritdoc/>
    public void After(TimeSpan time, string key, object message) => Timers.StartSingleTimer(key, message, time);

    /// <inheritdoc/>
    public bool IsMember(NodeId node) => StatusOf(node) is MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up;

    /// <inheritdoc/>
    public bool MayBeAlive(NodeId node) => StatusOf(node) is not (null or MemberStatus.Down or MemberStatus.Removed);

    /// <inheritdoc/>
    public void WatchLink(NodeId node, string dataPlane)
    {
        if (node == _node.Id) return;
        var self = Self;
        _node.Peers.Watch(dataPlane, () => self.Tell(new LinkUp(node)), (_, reason) => self.Tell(new LinkLost(node, reason)));
    }

    /// <inheritdoc/>
    public void Probe(NodeId node)
    {
        if (node == _node.Id) return;
        _ = ProbeAsync(Address.Parse(node.Address), node, Self);
    }

    /// <inheritdoc/>
    public void FindStartPoint(int attempt, IReadOnlySet<Lineage> versions)
    {
        var (store, planHash) = (_node.Definition.Checkpoints, _node.Definition.PlanHash);
        Task.Run(() =>
        {
            var (newest, problems) = store.NewestThatVerifies(planHash, m => versions.Contains(m.Version));
            var bad = versions.Where(v => newest is null || v.Step > newest.Step).ToList();
            return new StartPoint(attempt, newest, problems, bad);
        }).PipeTo(Self, failure: e => new StartPointFailed(attempt, e));
    }

    /// <inheritdoc/>
    public void SaveSnapshot(RunSnapshot snapshot) => base.SaveSnapshot(snapshot);

    /// <inheritdoc/>
    public void EndProcess(RunEnded end)
    {
        // A worker's agent ends its node when it is told; what is refused ends at once.
        if (end.ExitCode == RunEnded.Refused || !_cluster.SelfRoles.Contains(Hosting.RunNode.WorkerRole)) _node.Ended.TrySetResult(end);
    }

    /// <inheritdoc/>
    public void Decided(Freezing.StepDecided step) => Context.System.EventStream.Publish(step);

    /// <inheritdoc/>
    public void TookOffice(Term term) => Context.Parent.Tell(new InOffice(term));

    /// <inheritdoc/>
    public void StepDown(Term newer)
    {
        Context.Parent.Tell(new TermSeen(newer));
        Context.Stop(Self);
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        base.PreStart();
        Notes.RecoveryStarted();
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        base.PostStop();
    }

    /// <inheritdoc/>
    protected override void OnRecoveryFailure(Exception reason, object? message = null)
    {
        Notes.JournalProblem = $"the journal cannot be read: {reason.GetBaseException().Message}";
        Notes.Add(Notes.JournalProblem);
        base.OnRecoveryFailure(reason, message);
    }

    /// <inheritdoc/>
    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        Notes.JournalProblem = $"the journal cannot be written: {cause.GetBaseException().Message}";
        Notes.Add($"{Notes.JournalProblem}; this coordinator (term {_coordinator?.Term}) steps down and reads the journal again");
        base.OnPersistFailure(cause, @event, sequenceNr);
    }

    /// <inheritdoc/>
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        OnPersistFailure(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    private static async Task ProbeAsync(Address address, NodeId node, IActorRef self)
    {
        using var client = new TcpClient();
        using var patience = new CancellationTokenSource(ProbePatience);
        try
        {
            await client.ConnectAsync(address.Host!, address.Port!.Value, patience.Token).ConfigureAwait(false);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            self.Tell(new NodeGone(node));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // Silence and detours prove nothing: the cluster decides in its time.
        }
    }

    private void OnRecovered()
    {
        Notes.RecoveryCompleted();
        if (_hasRivals && _recovered.Coordinator is { } last && last.Term.Value > _known.Value && (last.Node != Node.Name || last.Pid != Pid))
        {
            Context.Parent.Tell(new TermSeen(last.Term));
            Context.Stop(Self);
            return;
        }
        var definition = _node.Definition;
        var facts = new RunFacts(
            _node.Run, _node.Plan, _node.Layout, _node.VirtualRanks, definition.PlanHash, _node.NumericsClass, definition.InitialLineage(_node.NumericsClass),
            (state, step) => definition.Data.At(state.DataAt(step)).UnmaskedTokens(step), definition.PlanAt);
        _coordinator = new Coordinator(this, facts, _target, _recovered, _lost);
        _coordinator.Start();
        Timers.StartPeriodicTimer("tick", new Tick(), Coordinator.TickInterval);
    }

    private void OnTick()
    {
        _coordinator!.Tick();
        if (_coordinator.IsInOffice) TookOffice(_coordinator.Term);
    }

    private void OnMemberEvent(ClusterEvent.IMemberEvent message)
    {
        if (message is ClusterEvent.MemberRemoved or ClusterEvent.MemberDowned or ClusterEvent.MemberLeft or ClusterEvent.MemberExited)
            Change(message.Member, MembershipChange.Gone);
    }

    /// <summary>A node's status in the cluster; null if it is none of its members. Asked for every worker at every tick, so not by a look at all members.</summary>
    private MemberStatus? StatusOf(NodeId node)
    {
        var members = _cluster.State.Members;
        if (_membersOf != members)
        {
            _membersOf = members;
            _statuses = members.ToDictionary(m => (m.UniqueAddress.Uid, m.Address.ToString()), m => m.Status);
        }
        return _statuses.TryGetValue((node.Uid, node.Address), out var status) ? status : null;
    }

    private void Change(Member member, MembershipChange change) =>
        _coordinator?.Receive(new MembershipChanged(member.Address.ToString(), member.UniqueAddress.Uid, change), Self);
}
