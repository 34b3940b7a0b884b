using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Persistence;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>The coordinator of a term is there. Sent to every node five times a second.</summary>
/// <param name="Term">Its term, which is durable.</param>
/// <param name="Node">Its node.</param>
/// <param name="Coordinator">Where messages for it go.</param>
/// <param name="DataPlane">Endpoint of its node's tensor server: the connection whose end tells of its death.</param>
public sealed record CoordinatorHeartbeat(Term Term, NodeId Node, IActorRef Coordinator, string DataPlane);

/// <summary>A coordinator's node is told to go: the next one need not wait for a time-out.</summary>
/// <param name="Term">Its term.</param>
/// <param name="Node">Its node.</param>
public sealed record CoordinatorResigned(Term Term, NodeId Node);

/// <summary>The term's coordinator works. Stays inside its node.</summary>
/// <param name="Term">Its term.</param>
public sealed record InOffice(Term Term);

/// <summary>The journal knows of a higher term than this node has heard of: somebody may hold it. Stays inside its node.</summary>
/// <param name="Term">That term.</param>
public sealed record TermSeen(Term Term);

/// <summary>This node's coordinator goes to another node, because this one leaves. Stays inside its node.</summary>
public sealed record Resign;

/// <summary>
/// One on each node, under the same path: knows who coordinates, passes on what is for the coordinator, and on nodes that may coordinate takes its
/// place when it is gone. It acts on a broken connection at once, on silence after twice the plan's suspicion; the oldest node first. To be wrong costs a
/// change of office and nothing else: the journal has one writer, and replicas obey the highest term.
/// </summary>
public sealed class Succession : ReceiveActor, IWithTimers
{
    /// <summary>Its path on every node.</summary>
    public const string Name = "run";

    private sealed record Look;
    private sealed record LinkBroken(CoordinatorHeartbeat Of);
    private sealed record Warm;

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(300), LongestRetry = TimeSpan.FromSeconds(2);

    private readonly NodeRuntime _node;
    private readonly RunNotes _notes;
    private readonly Func<Term, NodeId?, bool, Props>? _candidate;
    private readonly TimeSpan _silence;
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private CoordinatorHeartbeat? _current;
    private IActorRef? _candidateActor;
    private Term _known;
    private NodeId? _lost;
    private DateTime _heardAt = DateTime.UtcNow, _vacantSince = DateTime.UtcNow, _notBefore;
    private TimeSpan _retry = ShortestRetry;
    private (Term Term, DateTime DeafUntil) _ended;
    private bool _resigned, _everHeard;

    /// <summary>One per node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="notes">Lines for the operator.</param>
    /// <param name="candidate">
    /// Makes this node's coordinator from the highest term that is known, a node that is known to be gone, and whether there are rivals; null on a node that may not coordinate.
    /// </param>
    public Succession(NodeRuntime node, RunNotes notes, Func<Term, NodeId?, bool, Props>? candidate)
    {
        _node = node;
        _notes = notes;
        _candidate = candidate;
        _silence = 2 * node.Plan.Elastic.SuspectAfter;
        Receive<CoordinatorHeartbeat>(OnHeartbeat);
        Receive<CoordinatorResigned>(m => Vacate(m.Term, m.Node, DateTime.MaxValue));
        Receive<InOffice>(OnInOffice);
        Receive<TermSeen>(OnTermSeen);
        Receive<LinkBroken>(OnLinkBroken);
        Receive<Look>(_ => OnLook());
        Receive<Warm>(_ => Context.ActorOf(Props.Create(() => new WarmUp($"warm-up-{node.Id.Uid}"))));
        Receive<Terminated>(_ => OnCandidateEnded());
        Receive<Resign>(_ => OnResign());
        Receive<ClusterEvent.IMemberEvent>(OnMemberEvent);
        ReceiveAny(m => _current?.Coordinator.Forward(m));
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
    {
        _notes.Add($"the coordinator failed: {error.Message}");
        return Directive.Stop;
    });

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));
        if (_candidate is null) return;
        Timers.StartPeriodicTimer("look", new Look(), TimeSpan.Zero, LookInterval);
        Timers.StartSingleTimer("warm", new Warm(), TimeSpan.FromSeconds(1));
    }

    /// <inheritdoc/>
    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private void OnHeartbeat(CoordinatorHeartbeat heartbeat)
    {
        if (heartbeat.Term.Value < _known.Value || (_current is { } known && heartbeat.Term.Value < known.Term.Value)) return;
        if (heartbeat.Term == _ended.Term && DateTime.UtcNow < _ended.DeafUntil) return;
        _heardAt = DateTime.UtcNow;
        if (_current?.Term == heartbeat.Term && _current.Coordinator.Equals(heartbeat.Coordinator)) return;
        _current = heartbeat;
        _known = heartbeat.Term;
        _everHeard = true;
        _lost = null;
        if (_candidateActor is { } own && heartbeat.Node != _node.Id)
        {
            _notes.Add($"term {heartbeat.Term} of {heartbeat.Node.Name} has begun; {_node.Id.Name} does not coordinate any more");
            Context.Stop(own);
        }
        if (heartbeat.Node != _node.Id) WatchLink(heartbeat);
        // Whoever waits for a coordinator speaks to it at once.
        Context.System.EventStream.Publish(heartbeat);
    }

    /// <summary>The own coordinator is at work: everybody hears of it through here, and so does this node.</summary>
    private void OnInOffice(InOffice message)
    {
        if (_candidateActor is not { } own || !own.Equals(Sender)) return;
        _retry = ShortestRetry;
        var heartbeat = new CoordinatorHeartbeat(message.Term, _node.Id, own, _node.DataPlane);
        OnHeartbeat(heartbeat);
        foreach (var member in _cluster.State.Members)
            if (!member.UniqueAddress.Equals(_cluster.SelfUniqueAddress) && (member.HasRole(RunNode.WorkerRole) || member.HasRole(RunNode.CoordinatorRole)))
                Remote(member.Address).Tell(heartbeat);
    }

    private ActorSelection Remote(Address address) => Context.ActorSelection(new RootActorPath(address) / "user" / Name);

    private void WatchLink(CoordinatorHeartbeat heartbeat)
    {
        var self = Self;
        Connect(isSecond: false);

        // A process that is gone refuses the second attempt; a connection that was merely cut is made again.
        void Connect(bool isSecond) => _node.Peers.Watch(heartbeat.DataPlane, () => { }, (wasUp, _) =>
        {
            if (wasUp) Connect(isSecond: true);
            else if (isSecond) self.Tell(new LinkBroken(heartbeat));
        });
    }

    private void OnLinkBroken(LinkBroken message)
    {
        if (_current is { } current && current.Term == message.Of.Term)
            Vacate(current.Term, current.Node, DateTime.UtcNow + LastWords);
    }

    private void OnMemberEvent(ClusterEvent.IMemberEvent message)
    {
        if (message is not (ClusterEvent.MemberRemoved or ClusterEvent.MemberDowned or ClusterEvent.MemberExited)) return;
        if (_current is { } current && current.Node != _node.Id && current.Node.Is(message.Member))
            Vacate(current.Term, current.Node, DateTime.MaxValue);
    }

    /// <summary>The place is free. What its holder had sent before its end may still arrive, and is not heard.</summary>
    private void Vacate(Term term, NodeId node, DateTime deafUntil)
    {
        if (_current is not { } current || current.Term != term || current.Node != node || node == _node.Id) return;
        _log.Info("{0} does not coordinate any more", node);
        _current = null;
        _lost = node;
        _ended = (term, deafUntil);
        _vacantSince = DateTime.UtcNow;
        OnLook();
    }

    private void OnLook()
    {
        // Where the run has ended, nobody follows: the coordinator's node may only be the first to go.
        if (_candidate is null || _resigned || _candidateActor is not null || _node.Ended.Task.IsCompleted || _cluster.SelfMember.Status != MemberStatus.Up) return;
        var now = DateTime.UtcNow;
        if (_current is { } current)
        {
            if (now - _heardAt < _silence) return;
            Vacate(current.Term, current.Node, now);
            return;
        }
        var rivals = Rivals();
        int older = rivals.Count(m => m.IsOlderThan(_cluster.SelfMember));
        // A node that has heard nobody yet may be new among others that have.
        var wait = (older * Stagger) + (_everHeard || rivals.Count == 0 ? TimeSpan.Zero : FirstWait);
        if (now - _vacantSince < wait || now < _notBefore) return;
        _candidateActor = Context.ActorOf(_candidate(_known, _lost, rivals.Count > 0).WithDispatcher("elastictrain.run-dispatcher"));
        Context.Watch(_candidateActor);
    }

    private List<Member> Rivals() => [.. _cluster.State.Members.Where(m =>
        m.HasRole(RunNode.CoordinatorRole) && m.Status is MemberStatus.Up or MemberStatus.WeaklyUp && !m.UniqueAddress.Equals(_cluster.SelfUniqueAddress)
        && _lost?.Is(m) != true)];

    /// <summary>Its holder is given the time to be heard; if it is silent, its term is known then, and the next one is taken.</summary>
    private void OnTermSeen(TermSeen message)
    {
        if (message.Term.Value > _known.Value) _known = message.Term;
        if (_current is { } current && current.Term.Value < message.Term.Value) _current = null;
        _vacantSince = DateTime.UtcNow;
        _notBefore = _vacantSince + _silence;
    }

    private void OnCandidateEnded()
    {
        _candidateActor = null;
        if (_current?.Node == _node.Id) _current = null;
        _vacantSince = DateTime.UtcNow;
        // Its journal may be locked, or its server down: not at once again.
        var retry = _vacantSince + _retry;
        if (retry > _notBefore) _notBefore = retry;
        _retry = 2 * _retry < LongestRetry ? 2 * _retry : LongestRetry;
    }

    private void OnResign()
    {
        _resigned = true;
        if (_candidateActor is null || _current is not { } current || current.Node != _node.Id) return;
        Context.Stop(_candidateActor);
        foreach (var member in Rivals()) Remote(member.Address).Tell(new CoordinatorResigned(current.Term, _node.Id));
    }

    /// <summary>Reads nothing from the journal, so that its code is compiled and its database open before a successor needs them.</summary>
    private sealed class WarmUp : ReceivePersistentActor
    {
        public WarmUp(string id)
        {
            PersistenceId = id;
            Recover<RecoveryCompleted>(_ => Context.Stop(Self));
        }

        public override string PersistenceId { get; }

        protected override void OnRecoveryFailure(Exception reason, object? message = null)
        {
            // Only warmth is lost; whoever needs the journal says what is wrong with it.
        }
    }
}
