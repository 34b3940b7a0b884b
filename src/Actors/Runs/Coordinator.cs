using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>
/// The coordinator of a run: takes a term, learns who is there and what they hold, grants ranks, decides steps, and journals them. A state machine
/// without actors, clocks or sockets: what comes in are messages, what goes out goes through <see cref="ICoordinatorHost"/>. The actor
/// <see cref="TrainingRun"/> runs it, and so does the simulation. Everything it knows beyond the journal can be lost at any moment.
/// This part: office, commands, questions, ends. The others: membership, gathering, stepping, auditing, replication, sealing.
/// </summary>
public sealed partial class Coordinator
{
    private static readonly TimeSpan SlowJournal = TimeSpan.FromSeconds(2);

    private enum Phase { Starting, Gathering, Loading, Placing, Promising, Stepping, Finished }

    private sealed record Deferred(IRunCommand Command, IActorRef Client);

    private readonly ICoordinatorHost _host;
    private readonly RunFacts _run;
    private readonly RunTarget _target;
    private readonly WorkerRoster _roster = new();
    private readonly ReplicaSets _replicas;
    private RunState _state;
    private Phase _phase = Phase.Starting;
    private Term _term;
    private string _detail = "reading the journal";
    private RunEnded? _end;
    private int _pendingCommands;
    private int _pendingEvents;
    private DateTime _oldestPending;
    private bool _journalSlow;

    /// <summary>Before it takes office.</summary>
    /// <param name="host">The world.</param>
    /// <param name="run">The run.</param>
    /// <param name="target">What this start aims at.</param>
    /// <param name="state">The journal so far.</param>
    /// <param name="lost">A node that is known to be gone, most likely the predecessor's; null if there is none.</param>
    public Coordinator(ICoordinatorHost host, RunFacts run, RunTarget target, RunState state, NodeId? lost = null)
    {
        _host = host;
        _run = run;
        _target = target;
        _state = state;
        if (lost is { } gone) _gone.Add(gone, host.UtcNow);
        _replicas = new ReplicaSets(run.Layout.Shards.Count);
    }

    /// <summary>The journal as this coordinator has it.</summary>
    public RunState State => _state;

    /// <summary>Its term; 0 before it took office.</summary>
    public Term Term => _term;

    /// <summary>Whether its term is durable.</summary>
    public bool IsInOffice { get; private set; }

    /// <summary>Takes office, or refuses a journal that is not the run's.</summary>
    public void Start()
    {
        if (_state.Created is { } created)
        {
            string? foreign =
                created.Run != _run.Run ? $"the journal belongs to run {created.Run}, this node to run {_run.Run}"
                : created.PlanHash != _run.PlanHash ? $"the journal's plan hash is {created.PlanHash}, this plan's over its data is {_run.PlanHash}: use another --run-dir for another plan"
                : created.NumericsClass != _run.NumericsClass ? $"the run's numerics class is {created.NumericsClass}, this node's is {_run.NumericsClass}: its processor or libraries compute other bits"
                : null;
            if (foreign is not null)
            {
                Refuse(foreign);
                return;
            }
            if (!_host.HasJournaled) _host.MarkJournaled();
        }
        else if (_host.HasJournaled)
        {
            Refuse($"the journal is empty, but run {_run.Run} has journaled before: this is not the run's journal, or it was deleted");
            return;
        }
        else
        {
            Record(new RunCreated(_run.Run, _run.PlanHash, _run.NumericsClass, _run.Initial), _host.MarkJournaled);
        }
        _term = new Term((_state.Coordinator?.Term.Value ?? 0) + 1);
        _lastAttempt = Attempt.Before(_term);
        _detail = "taking office";
        Record(new CoordinatorStarted(_term, _host.Node.Name, _host.Pid), StartGathering);
    }

    /// <summary>Handles a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="sender">Who sent it.</param>
    /// <returns>False if it is none of a coordinator's.</returns>
    public bool Receive(object message, IActorRef sender)
    {
        switch (message)
        {
            case WorkerHello m: OnHello(m); break;
            case MembershipChanged m: OnMembership(m); break;
            case LinkUp m: OnLinkUp(m); break;
            case LinkLost m: OnLinkLost(m); break;
            case NodeGone m: OnNodeGone(m); break;
            case ReplicaReport m: OnReport(m, sender); break;
            case StartPoint m: OnStartPoint(m); break;
            case StartPointFailed m:
                if (_phase == Phase.Loading && m.Attempt == _attempt) End(1, $"no state to start from: {m.Error.Message}");
                break;
            case ReplicaReady m: OnReplicaReady(m); break;
            case ReplicaFailed m: OnReplicaFailed(m); break;
            case ReplicaRefusal m: OnRefusal(m); break;
            case RanksCompleted m: OnRanksCompleted(m); break;
            case RanksFailed m: OnRanksFailed(m); break;
            case GradientSealed m: OnSealed(m); break;
            case StepApplied m: OnApplied(m); break;
            case BlobWritten m: OnBlobWritten(m); break;
            case BlobFailed m: OnBlobFailed(m); break;
            case ManifestWritten m: OnManifestWritten(m); break;
            case IRunCommand m: OnCommand(m, sender); break;
            case Deferred m: OnCommand(m.Command, m.Client); break;
            case StopRun m: OnStop(m, sender); break;
            case GetStatus: _host.Tell(sender, Status()); break;
            case Regrant: GrantIdle(); break;
            default: return false;
        }
        return true;
    }

    /// <summary>To be called every <see cref="TickInterval"/>: looks at what should have happened, and says again what is outstanding.</summary>
    public void Tick()
    {
        if (_pendingEvents > 0 && !_journalSlow && _host.UtcNow - _oldestPending > SlowJournal)
        {
            _journalSlow = true;
            _host.Notes.JournalProblem = "the journal does not confirm writes (locked, or its server is down); steps wait for it";
            _host.Notes.Add(_host.Notes.JournalProblem);
        }
        LookAfterWorkers();
        switch (_phase)
        {
            case Phase.Gathering: TryProceed(); break;
            case Phase.Placing when IsRepeatDue(): SendStarts(); break;
            case Phase.Promising: WaitForReports(); break;
            case Phase.Stepping: TickStep(); break;
            // Agents end their nodes when they are told; a node that only coordinates has none.
            case Phase.Finished when _end is not null: _host.EndProcess(_end); break;
            default: break;
        }
    }

    /// <summary>How often <see cref="Tick"/> is called.</summary>
    public static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan RepeatInterval = TimeSpan.FromSeconds(1);
    private DateTime _repeatedAt;

    /// <summary>Messages are said again once a second, not at every tick.</summary>
    private bool IsRepeatDue()
    {
        if (_host.UtcNow - _repeatedAt < RepeatInterval) return false;
        _repeatedAt = _host.UtcNow;
        return true;
    }

    /// <summary>Gives an event to the journal without holding up other messages; what depends on it runs in <paramref name="durable"/>.</summary>
    private void Record(IRunEvent @event, Action durable)
    {
        if (_pendingEvents++ == 0) _oldestPending = _host.UtcNow;
        _host.Record(@event, () =>
        {
            _pendingEvents--;
            _oldestPending = _host.UtcNow;
            if (_journalSlow)
            {
                _journalSlow = false;
                _host.Notes.JournalProblem = null;
                _host.Notes.Add("the journal answers again");
            }
            _state = _state.Apply(@event);
            durable();
        });
    }

    private void OnCommand(IRunCommand command, IActorRef client)
    {
        if (_phase == Phase.Starting)
        {
            _host.Tell(client, new CommandAnswer(false, "the coordinator takes office; try again", null, Retry: true));
            return;
        }
        if (_pendingCommands > 0)
        {
            // One at a time: the next command's effective step depends on this one's.
            _host.After(TimeSpan.FromMilliseconds(20), command.CommandId, new Deferred(command, client));
            return;
        }
        var outcome = command is DrainNode drain && !_state.Answers.ContainsKey(drain.CommandId) ? Drain(drain) : RunRules.Process(_state, command, _grantedThrough.Next, _run.Plan);
        if (outcome.Event is not { } @event)
        {
            _host.Tell(client, outcome.Answer);
            return;
        }
        _pendingCommands++;
        Record(@event, () =>
        {
            _pendingCommands--;
            _host.Notes.Add($"{@event.GetType().Name} by {command.Sender}: {outcome.Answer.Message}");
            _host.Tell(client, outcome.Answer);
            if (@event is NodeDraining { Node: var node } && _roster.Find(node) is { } worker) worker.Draining = true;
            OpenStep();
        });
    }

    private RunStatus Status()
    {
        var last = _state.Committed.Count > 0 ? _state.Committed[^1] : null;
        string state = _phase == Phase.Finished ? "finished" : _paused ? "paused" : _phase == Phase.Stepping && !_waitingForWorkers && !_journalSlow ? "running" : "waiting";
        IEnumerable<ReplicaPlacement> placements = _phase switch
        {
            Phase.Stepping or Phase.Finished => _replicas.InSync.Select(r => r.Placement),
            Phase.Placing => _placing,
            _ => [],
        };
        return new RunStatus(
            state, _host.Notes.JournalProblem ?? _detail, _state.Committed.Count, _target.Steps,
            [.. _roster.Reachable.Select(w => new WorkerStatus(w.Hello.Node.Name, w.Hello.Pid, w.Devices.Count)).OrderBy(w => w.Node, StringComparer.Ordinal)],
            _host.Node.Name, _host.Pid, _term.Value,
            [.. placements.Select(p => new ShardStatus(p.Shard.ToString(), p.Replica.Value, p.Node.Name, ShardBytes(_run.Layout.Shards[p.Shard.Value])))],
            _progress?.FrozenPrefix ?? _state.FrozenPrefixAt(_version.Step.Next),
            last is null ? 0 : BitConverter.UInt32BitsToSingle(last.LossBits), last?.LearningRate ?? 0, last?.GradientNorm ?? 0,
            _meter.TokensPerSecond, _state.Seals.Count > 0 ? _state.Seals[^1].Version.Step.Value : null, _host.Notes.All())
        {
            MtpLoss = last?.MtpLoss ?? 0,
            BalanceLoss = last?.BalanceLoss ?? 0,
            Commands = _state.CommandsFor(_version.Step),
        };
    }

    private long ShardBytes(Model.ShardInfo shard) => sizeof(float) * (_state.HasMoments(shard, _version.Step) ? 3L : 1L) * shard.Length;

    /// <summary>The run is over for every node of this start.</summary>
    private void End(int exitCode, string message)
    {
        _phase = Phase.Finished;
        _detail = message;
        _end = new RunEnded(exitCode, message);
        foreach (var worker in _roster.Workers) _host.Tell(worker.Hello.Agent, _end);
    }

    /// <summary>This node's journal is not the run's. Nothing was written; another node may hold the right one, so only this node ends.</summary>
    private void Refuse(string reason)
    {
        _phase = Phase.Finished;
        _detail = reason;
        _host.Notes.Add(reason);
        _host.EndProcess(new RunEnded(RunEnded.Refused, reason));
    }

    private void Halt(Step step, string reason)
    {
        // What is wrong may be found in several places at once; the run halts once.
        if (_phase == Phase.Finished) return;
        _host.Notes.Add($"halted at step {step}: {reason}");
        Record(new RunHalted(step, reason), () => End(1, $"halted at step {step}: {reason}"));
        _phase = Phase.Finished;
    }

    /// <summary>Another coordinator has a higher term: this one holds a stale view and must not go on. The workers belong to the successor.</summary>
    private void StepDown(Term newer)
    {
        if (_phase == Phase.Finished) return;
        string message = $"term {_term} of {_host.Node.Name} was superseded by term {newer}; this node steps down";
        _host.Notes.Add(message);
        _phase = Phase.Finished;
        _detail = message;
        _host.StepDown(newer);
    }
}
