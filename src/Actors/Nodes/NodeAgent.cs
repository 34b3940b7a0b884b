using Akka.Actor;
using Akka.Event;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Nodes;

/// <summary>How a run ended for a node.</summary>
/// <param name="ExitCode">0 done, 1 failed, <see cref="Refused"/>, <see cref="Superseded"/>, 130 interrupted.</param>
/// <param name="Message">For people.</param>
public sealed record RunEnded(int ExitCode, string Message)
{
    /// <summary>Exit code of a node that cannot be part of the run: its plan, data, machine, version or journal are not the run's.</summary>
    public const int Refused = 2;

    /// <summary>Exit code of a node that lost its place in the cluster and must be started again as a new one.</summary>
    public const int Superseded = 3;

    /// <summary>Exit code of a node that was drained for good: it is not to be started again.</summary>
    public const int Drained = 4;

    /// <summary>Exit code of a process that was asked to end.</summary>
    public const int Interrupted = 130;
}

/// <summary>
/// A node's voice: offers its devices to whoever coordinates, again and again, so that a new coordinator needs no memory of it; hears the
/// run's end; and asks for a last checkpoint when its process wants to stop.
/// </summary>
public sealed class NodeAgent : ReceiveActor, IWithTimers
{
    private sealed record SayHello;
    private sealed record CheckJournal(Term Term);
    private sealed record JournalChecked(Term Term, string? Problem);
    private sealed record JournalUnreadable(Term Term, Exception Error);

    private static readonly TimeSpan JournalRetry = TimeSpan.FromSeconds(2);

    private readonly NodeRuntime _node;
    private readonly IActorRef _run;
    private readonly IReadOnlyList<IActorRef> _devices;
    private readonly int _protocolVersion;
    private readonly Func<Term, string?> _journalProblem;
    private readonly ILoggingAdapter _log = Context.GetLogger();

    /// <summary>One per worker node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="run">Passes on what is for the coordinator.</param>
    /// <param name="devices">The node's devices.</param>
    /// <param name="protocolVersion">Version of the messages and frames that the node speaks.</param>
    /// <param name="journalProblem">
    /// Says why the journal that this node would coordinate with is not the one that holds a term, or null if it is; it may throw while the
    /// journal cannot be read.
    /// </param>
    public NodeAgent(NodeRuntime node, IActorRef run, IReadOnlyList<IActorRef> devices, int protocolVersion, Func<Term, string?> journalProblem)
    {
        _protocolVersion = protocolVersion;
        _journalProblem = journalProblem;
        _node = node;
        _run = run;
        _devices = devices;
        Receive<SayHello>(_ => Hello());
        Receive<CoordinatorHeartbeat>(_ => Hello());
        Receive<WorkerWelcome>(m =>
        {
            _log.Info("working under term {0}", m.Term);
            Self.Tell(new CheckJournal(m.Term));
        });
        // The term is durable before anyone is welcomed under it, so a journal without it is another one, and this node must never coordinate with it.
        Receive<CheckJournal>(m => Task.Run(() => new JournalChecked(m.Term, _journalProblem(m.Term))).PipeTo(Self, failure: e => new JournalUnreadable(m.Term, e)));
        Receive<JournalChecked>(m =>
        {
            if (m.Problem is { } problem) _node.Ended.TrySetResult(new RunEnded(RunEnded.Refused, $"{_node.Id.Name} refuses to take part in run {_node.Run}: {problem}"));
        });
        Receive<JournalUnreadable>(m =>
        {
            _log.Info("the journal cannot be read: {0}", m.Error.Message);
            Timers.StartSingleTimer("journal", new CheckJournal(m.Term), JournalRetry);
        });
        Receive<WorkerRefused>(m => _node.Ended.TrySetResult(new RunEnded(RunEnded.Refused, m.Reason)));
        Receive<NodeDrained>(m => _node.Drained.TrySetResult(m.ForGood));
        Receive<RunEnded>(m => _node.Ended.TrySetResult(m));
        Receive<StopRun>(m => _run.Tell(m));
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
        Timers.StartPeriodicTimer("hello", new SayHello(), TimeSpan.Zero, TimeSpan.FromMilliseconds(250));
        // A new coordinator hears of this node at once.
        Context.System.EventStream.Subscribe(Self, typeof(CoordinatorHeartbeat));
    }

    /// <inheritdoc/>
    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    private void Hello() => _run.Tell(new WorkerHello(
        _node.Id, Environment.ProcessId, _node.Run, _protocolVersion, _node.Definition.PlanHash, _node.NumericsClass, _node.DataPlane,
        Self, _devices,
        [.. _node.HeldReplicas.OrderBy(h => h.Key.Shard.Value).ThenBy(h => h.Key.Replica.Value)
            .Select(h => new HeldReplica(h.Key.Shard, h.Key.Replica, h.Value.Applied(), h.Value.Actor))]));
}
