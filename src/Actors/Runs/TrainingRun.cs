using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Persistence;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>
/// The coordinator of a run: a cluster singleton over the run's journal. It takes a term, learns who is there and what they hold, grants ranks,
/// decides steps, and journals them. Everything it knows beyond the journal can be lost at any moment.
/// This part: its life with the journal, commands and questions. The other parts: gathering, stepping, sealing.
/// </summary>
public sealed partial class TrainingRun : ReceivePersistentActor, IWithTimers
{
    private static readonly TimeSpan NudgeInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SlowJournal = TimeSpan.FromSeconds(2);

    private enum Phase { Starting, Gathering, Loading, Placing, Promising, Stepping, Finished }

    private sealed record Nudge;

    private readonly NodeRuntime _node;
    private readonly RunTarget _target;
    private readonly RunNotes _notes;
    private readonly IActorRef _region;
    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly WorkerRoster _roster = new();
    private RunState _state = RunState.Empty;
    private Phase _phase = Phase.Starting;
    private Term _term;
    private string _detail = "reading the journal";
    private int _pendingCommands;
    private int _pendingEvents;
    private DateTime _oldestPending;
    private bool _journalSlow;

    /// <summary>The singleton's child.</summary>
    /// <param name="node">The node that it runs on.</param>
    /// <param name="target">What this start aims at.</param>
    /// <param name="notes">Lines for the operator.</param>
    /// <param name="region">The replicas' shard region or proxy.</param>
    public TrainingRun(NodeRuntime node, RunTarget target, RunNotes notes, IActorRef region)
    {
        _node = node;
        _target = target;
        _notes = notes;
        _region = region;
        Recover<IRunEvent>(e => _state = _state.Apply(e));
        Recover<SnapshotOffer>(offer => _state = ((RunSnapshot)offer.Snapshot).ToState());
        Recover<RecoveryCompleted>(_ => OnRecovered());
        Command<WorkerHello>(OnHello);
        Command<ClusterEvent.IMemberEvent>(OnMemberEvent);
        Command<ClusterEvent.ReachabilityEvent>(OnReachability);
        Command<ReplicaReport>(OnReport);
        Command<StartPoint>(OnStartPoint);
        Command<StartPointFailed>(m =>
        {
            if (_phase == Phase.Loading && m.Attempt == _attempt) End(1, $"no state to start from: {m.Error.Message}");
        });
        Command<ReplicaReady>(OnReplicaReady);
        Command<ReplicaFailed>(OnReplicaFailed);
        Command<ReplicaRefusal>(OnRefusal);
        Command<RanksCompleted>(OnRanksCompleted);
        Command<RanksFailed>(OnRanksFailed);
        Command<GradientSealed>(OnSealed);
        Command<StepApplied>(OnApplied);
        Command<BlobWritten>(OnBlobWritten);
        Command<BlobFailed>(OnBlobFailed);
        Command<ManifestWritten>(OnManifestWritten);
        Command<IRunCommand>(m => OnCommand(m, Sender));
        Command<Deferred>(m => OnCommand(m.Command, m.Client));
        Command<StopRun>(OnStop);
        Command<GetStatus>(_ => Sender.Tell(Status()));
        Command<Regrant>(_ => GrantIdle());
        Command<Nudge>(_ => OnNudge());
        Command<SaveSnapshotSuccess>(_ => { });
        Command<SaveSnapshotFailure>(m => _log.Warning(m.Cause, "the journal's snapshot could not be saved; recovery will read more events"));
    }

    /// <inheritdoc/>
    public override string PersistenceId => PersistenceIdOf(_node.Run);

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The name of a run's events in the journal.</summary>
    public static string PersistenceIdOf(RunId run) => $"run-{run}";

    /// <inheritdoc/>
    protected override void PreStart()
    {
        base.PreStart();
        _notes.RecoveryStarted();
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
        Timers.StartPeriodicTimer("nudge", new Nudge(), NudgeInterval);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        base.PostStop();
    }

    private void OnRecovered()
    {
        _notes.RecoveryCompleted();
        var definition = _node.Definition;
        if (_state.Created is { } created)
        {
            string? foreign =
                created.Run != _node.Run ? $"the journal belongs to run {created.Run}, this node to run {_node.Run}"
                : created.PlanHash != definition.PlanHash ? $"the journal's plan hash is {created.PlanHash}, this plan's over its data is {definition.PlanHash}: use another --run-dir for another plan"
                : created.NumericsClass != _node.NumericsClass ? $"the run's numerics class is {created.NumericsClass}, this node's is {_node.NumericsClass}: its processor or libraries compute other bits"
                : null;
            if (foreign is not null)
            {
                Refuse(foreign);
                return;
            }
            if (!definition.Journaled) definition.MarkJournaled();
        }
        else if (_node.Definition.Journaled)
        {
            Refuse($"the journal is empty, but run {_node.Run} has journaled before: this is not the run's journal, or it was deleted");
            return;
        }
        else
        {
            Record(new RunCreated(_node.Run, definition.PlanHash, _node.NumericsClass, definition.InitialLineage(_node.NumericsClass)), _ => definition.MarkJournaled());
        }
        if (_state.Coordinator is { } last && _node.LastTerm is { } held && (last.Term.Value > held.Value || (last.Term == held && (last.Node != _node.Id.Name || last.Pid != Environment.ProcessId))))
        {
            // This process coordinated before, and someone else has since: it was cut off, and its view of the cluster is stale.
            _term = held;
            StepDown(last.Term);
            return;
        }
        _term = new Term((_state.Coordinator?.Term.Value ?? 0) + 1);
        _node.LastTerm = _term;
        _detail = "taking office";
        Record(new CoordinatorStarted(_term, _node.Id.Name, Environment.ProcessId), _ => StartGathering());
    }

    /// <inheritdoc/>
    protected override void OnRecoveryFailure(Exception reason, object? message = null)
    {
        _notes.JournalProblem = $"the journal cannot be read: {reason.GetBaseException().Message}";
        _notes.Add(_notes.JournalProblem);
        base.OnRecoveryFailure(reason, message);
    }

    /// <inheritdoc/>
    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        _notes.JournalProblem = $"the journal cannot be written: {cause.GetBaseException().Message}";
        _notes.Add($"{_notes.JournalProblem}; this coordinator (term {_term}) steps down and reads the journal again");
        base.OnPersistFailure(cause, @event, sequenceNr);
    }

    /// <inheritdoc/>
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        OnPersistFailure(cause, @event, sequenceNr);
        Context.Stop(Self);
    }

    /// <summary>Persists an event without holding up other messages; what depends on it runs in <paramref name="durable"/>.</summary>
    private void Record<TEvent>(TEvent @event, Action<TEvent> durable) where TEvent : IRunEvent
    {
        if (_pendingEvents++ == 0) _oldestPending = DateTime.UtcNow;
        PersistAsync(@event, e =>
        {
            _pendingEvents--;
            _oldestPending = DateTime.UtcNow;
            if (_journalSlow)
            {
                _journalSlow = false;
                _notes.JournalProblem = null;
                _notes.Add("the journal answers again");
            }
            _state = _state.Apply(e);
            durable(e);
        });
    }

    private void OnCommand(IRunCommand command, IActorRef client)
    {
        if (_phase == Phase.Starting)
        {
            client.Tell(new CommandAnswer(false, "the coordinator takes office; try again", null, Retry: true));
            return;
        }
        if (_pendingCommands > 0)
        {
            // One at a time: the next command's effective step depends on this one's.
            Timers.StartSingleTimer(command.CommandId, new Deferred(command, client), TimeSpan.FromMilliseconds(20));
            return;
        }
        var outcome = RunRules.Process(_state, command, _grantedThrough.Next, _node.Plan);
        if (outcome.Event is not { } @event)
        {
            client.Tell(outcome.Answer);
            return;
        }
        _pendingCommands++;
        Record(@event, e =>
        {
            _pendingCommands--;
            _notes.Add($"{e.GetType().Name} by {command.Sender}: {outcome.Answer.Message}");
            client.Tell(outcome.Answer);
            OpenStep();
        });
    }

    private RunStatus Status()
    {
        var last = _state.Committed.Count > 0 ? _state.Committed[^1] : null;
        string state = _phase == Phase.Finished ? "finished" : _paused ? "paused" : _phase == Phase.Stepping && !_waitingForWorkers && !_journalSlow ? "running" : "waiting";
        var placements = _phase is Phase.Stepping or Phase.Finished or Phase.Placing ? _state.Placed?.Placements ?? [] : [];
        return new RunStatus(
            state, _notes.JournalProblem ?? _detail, _state.Committed.Count, _target.Steps,
            [.. _roster.Reachable.Select(w => new WorkerStatus(w.Hello.Node.Name, w.Hello.Pid, w.Devices.Count)).OrderBy(w => w.Node, StringComparer.Ordinal)],
            _node.Id.Name, Environment.ProcessId, _term.Value,
            [.. placements.Select(p => new ShardStatus(p.Shard.ToString(), p.Replica.Value, p.Node.Name, ShardBytes(_node.Layout.Shards[p.Shard.Value])))],
            _progress?.FrozenPrefix ?? _state.FrozenPrefixAt(_version.Step.Next),
            last is null ? 0 : BitConverter.UInt32BitsToSingle(last.LossBits), last?.LearningRate ?? 0, last?.GradientNorm ?? 0,
            _meter.TokensPerSecond, _state.Seals.Count > 0 ? _state.Seals[^1].Version.Step.Value : null, _notes.All())
        {
            MtpLoss = last?.MtpLoss ?? 0,
            BalanceLoss = last?.BalanceLoss ?? 0,
            Commands = _state.CommandsFor(_version.Step),
        };
    }

    private long ShardBytes(Model.ShardInfo shard) => sizeof(float) * (_state.HasMoments(shard, _version.Step) ? 3L : 1L) * shard.Length;

    private void OnNudge()
    {
        if (_pendingEvents > 0 && !_journalSlow && DateTime.UtcNow - _oldestPending > SlowJournal)
        {
            _journalSlow = true;
            _notes.JournalProblem = "the journal does not confirm writes (locked, or its server is down); steps wait for it";
            _notes.Add(_notes.JournalProblem);
        }
        DropFormerMembers();
        switch (_phase)
        {
            case Phase.Gathering: TryProceed(); break;
            case Phase.Placing: SendStarts(); break;
            case Phase.Promising: SendPromises(); break;
            case Phase.Stepping: NudgeStep(); break;
            // Agents end their nodes when they are told; a node that only coordinates has none.
            case Phase.Finished when _end is not null && !_cluster.SelfRoles.Contains(Hosting.RunNode.WorkerRole): _node.Ended.TrySetResult(_end); break;
            default: break;
        }
    }

    /// <summary>The run is over for every node of this start.</summary>
    private void End(int exitCode, string message)
    {
        _phase = Phase.Finished;
        _detail = message;
        _end = new RunEnded(exitCode, message);
        foreach (var worker in _roster.Workers) worker.Hello.Agent.Tell(_end);
    }

    /// <summary>This node's journal is not the run's. Nothing was written; another node may hold the right one, so only this node ends.</summary>
    private void Refuse(string reason)
    {
        _phase = Phase.Finished;
        _detail = reason;
        _notes.Add(reason);
        _node.Ended.TrySetResult(new RunEnded(RunEnded.Refused, reason));
    }

    private void Halt(Step step, string reason)
    {
        _log.Error("halting at step {0}: {1}", step, reason);
        _notes.Add($"halted at step {step}: {reason}");
        Record(new RunHalted(step, reason), _ => End(1, $"halted at step {step}: {reason}"));
        _phase = Phase.Finished;
    }
}
