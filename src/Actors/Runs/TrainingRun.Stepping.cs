using Akka.Actor;
using Akka.Event;
using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>Stepping: grant ranks, wait for every shard's seal, decide, apply, journal.</summary>
public sealed partial class TrainingRun
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(100);

    private sealed record Regrant;

    private readonly HashSet<ShardId> _appliedShards = [];
    private readonly ThroughputMeter _meter = new();
    private StepProgress? _progress;
    private IReadOnlyList<ShardRoute> _routes = [];
    private ApplyStep? _lastApply;
    private Lineage _version;
    private Step _grantedThrough;
    private long _optimizerStep;
    private long _lastGrant;
    private TimeSpan _longestGrant;
    private int _pendingCommits;
    private bool _paused, _waitingForWorkers, _stopping;

    private void StartStepping()
    {
        _phase = Phase.Stepping;
        _meter.Reset();
        foreach (var worker in _roster.Workers) worker.HellosWithoutReplica = 0;
        _routes = [.. _state.Placed!.Placements.Select(p => new ShardRoute(p.Shard, p.Replica, _roster.Find(p.Node)!.Hello.DataPlane))];
    }

    /// <summary>Opens the next step if nothing stands against it.</summary>
    private void OpenStep()
    {
        if (_phase != Phase.Stepping || _progress is not null) return;
        var step = _version.Step.Next;
        _paused = !_stopping && step.Value <= _target.Steps && _state.PausedFrom is { } from && step >= from;
        if (_stopping || step.Value > _target.Steps)
        {
            SealLast();
            return;
        }
        if (_paused)
        {
            _detail = $"paused before step {step}";
            return;
        }
        // A command being journaled may affect this very step.
        if (_pendingCommands > 0) return;
        int workers = _roster.Reachable.Count();
        _waitingForWorkers = workers < Math.Max(1, _target.MinWorkers);
        if (_waitingForWorkers)
        {
            _detail = $"waiting for workers: {workers} of {_target.MinWorkers}";
            return;
        }
        bool replay = step <= _state.CommittedVersion.Step;
        _detail = replay ? $"replaying step {step} of {_state.CommittedVersion.Step}" : $"step {step}";
        if (!OpenData(step)) return;
        int prefix = _state.FrozenPrefixAt(step);
        _progress = new StepProgress(
            _version, _node.VirtualRanks, prefix, [.. _node.Layout.Shards.Select(s => !ParameterLayout.IsFrozen(s, prefix))]);
        if (step > _grantedThrough) _grantedThrough = step;
        _node.Clock.Mark(step, StepMark.Granted);
        GrantIdle();
    }

    /// <summary>Whether the coordinator has the data of a step, which it counts the tokens of. A node without them must not coordinate.</summary>
    private bool OpenData(Step step)
    {
        try
        {
            _ = _node.Definition.Data.At(_state.DataAt(step));
            return true;
        }
        catch (Exception error) when (error is ElasticTrainException or IOException or UnauthorizedAccessException)
        {
            Refuse($"{_node.Id.Name} cannot read the data of step {step}: {error.Message}");
            return false;
        }
    }

    private void GrantIdle()
    {
        if (_phase != Phase.Stepping || _progress is null) return;
        int devices = _roster.Devices.Count();
        foreach (var device in _roster.Devices)
        {
            if (device.Grant is not null) continue;
            var wait = device.NotBefore - DateTime.UtcNow;
            if (wait > TimeSpan.Zero)
            {
                Timers.StartSingleTimer("regrant", new Regrant(), wait);
                continue;
            }
            if (_progress.Grant(_lastGrant + 1, Share(_progress.Queued, devices)) is not { } ranks) return;
            device.Grant = new GrantRanks(_term, ++_lastGrant, _progress.Input, ranks, _progress.FrozenPrefix, _routes) { Data = _state.DataAt(_progress.Step) };
            device.GrantedAt = DateTime.UtcNow;
            device.Actor.Tell(device.Grant);
        }
    }

    /// <summary>
    /// How many ranks an idle device gets: guided self-scheduling, so that fast devices come back for more. A round trip costs more than an uneven
    /// end of a step, so one or two ranks each are dealt out at once.
    /// </summary>
    private int Share(int queued, int devices)
    {
        int idle = _roster.Devices.Count(d => d.Grant is null);
        int equal = Math.Max(1, queued / Math.Max(1, idle));
        return devices == 1 || equal <= 2 ? equal : (equal + 1) / 2;
    }

    private void OnRanksCompleted(RanksCompleted message)
    {
        if (message.Term != _term) return;
        if (Free(message.GrantId) is { } device && DateTime.UtcNow - device.GrantedAt is var took && took > _longestGrant) _longestGrant = took;
        if (_progress is not null && message.Input == _progress.Input) _progress.Complete(message);
        GrantIdle();
        OnProgress();
    }

    private void OnRanksFailed(RanksFailed message)
    {
        if (message.Term != _term) return;
        if (message.Fatal)
        {
            Halt(_version.Step.Next, message.Reason);
            return;
        }
        if (Free(message.GrantId) is { } device) device.NotBefore = DateTime.UtcNow + RetryDelay;
        _progress?.Requeue(message.GrantId);
        GrantIdle();
    }

    private void OnSealed(GradientSealed message)
    {
        if (_progress is null || message.Input != _progress.Input || !IsPlaced(message.Shard, message.Replica)) return;
        if (_progress.Seal(message) is { } contradiction)
        {
            Halt(_progress.Step, contradiction);
            return;
        }
        OnProgress();
    }

    private void OnProgress()
    {
        if (_progress is not { IsComplete: true } progress) return;
        _node.Clock.Mark(progress.Step, StepMark.Complete);
        TryDecide();
    }

    /// <summary>Decides the step once it is complete and the one before it is durable.</summary>
    private void TryDecide()
    {
        if (_phase != Phase.Stepping || _progress is not { IsComplete: true } progress || _pendingCommits > 0) return;
        var step = progress.Step;
        _node.Clock.Mark(step, StepMark.Decidable);
        long denominator = _node.Definition.Data.At(_state.DataAt(step)).UnmaskedTokens(step);
        long counted = progress.Outcomes.Sum(o => o.LossTokens);
        if (counted != denominator)
        {
            Halt(step, $"the ranks counted {counted} tokens, the sample index says {denominator}");
            return;
        }
        var effective = _state.EffectiveAt(step);
        var decision = StepDecider.Decide(
            _node.Definition.PlanAt(_state, step), progress.Input, [.. effective.Select(e => e.Content)],
            [.. progress.Seals.Select(s => new ShardSealReport(s.Shard, s.SumOfSquares, s.Finite, s.GradientDigest))],
            progress.Outcomes, denominator, _optimizerStep + 1);
        var apply = ApplyStep.From(_term, progress.Input, _optimizerStep, decision, progress.FrozenPrefix, effective);
        var committed = apply.Decision;
        if (_state.CommitOf(step) is { } known && (known.Digest != committed.Digest || known.LossBits != committed.LossBits))
        {
            Halt(step, $"replaying step {step} gave digest {committed.Digest} and loss bits {committed.LossBits:x8}; the journal says {known.Digest} and {known.LossBits:x8}");
            return;
        }
        _lastApply = apply;
        _appliedShards.Clear();
        foreach (var replica in _replicas.Values) replica.Tell(_lastApply);
        _version = _lastApply.Output;
        _optimizerStep = committed.OptimizerStep;
        _progress = null;
        if (_state.CommitOf(step) is null) Commit(committed);
        Context.System.EventStream.Publish(new Freezing.StepDecided(
            step, progress.FrozenPrefix, committed.LearningRate, [.. progress.Seals.Select(s => (s.Shard, s.SumOfSquares))]));
        _meter.Add(committed.Tokens);
        long every = _node.Plan.Checkpoint.Every;
        if (every > 0 && step.Value % every == 0 && step.Value < _target.Steps) StartRound();
        _node.Clock.Mark(step, StepMark.Decided);
        _node.Clock.Finish(step);
        OpenStep();
    }

    private void Commit(StepCommitted committed)
    {
        _pendingCommits++;
        Record(committed, _ =>
        {
            _pendingCommits--;
            TrySeal();
            TryDecide();
            if (_progress is null) OpenStep();
        });
    }

    private void OnApplied(StepApplied message)
    {
        if (_lastApply is { } apply && message.Applied == apply.Output && IsPlaced(message.Shard, message.Replica)) _appliedShards.Add(message.Shard);
    }

    private void OnRefusal(ReplicaRefusal message)
    {
        _log.Warning("{0}~{1} refused: {2}", message.Shard, message.Replica, message.Reason);
        if (message.Promised.Value > _term.Value) StepDown(message.Promised);
    }

    /// <summary>Messages may be lost while nodes come and go; everything outstanding is said again, and all of it can be heard twice.</summary>
    private void NudgeStep()
    {
        foreach (var device in _roster.Devices)
            if (device.Grant is { } grant) device.Actor.Tell(grant);
        ResendApply();
        if (_progress is { AllRanksDone: true, IsComplete: false } progress)
            foreach (var shard in progress.Unsealed) _replicas[shard].Tell(new ReportSeal(_term, progress.Input));
        if (_progress is null) OpenStep();
        NudgeRound();
        Duplicate();
        GrantIdle();
    }

    /// <summary>Gives the ranks of a device that takes unusually long to an idle one as well. The first result counts; both have the same bits.</summary>
    private void Duplicate()
    {
        if (_progress is not { Queued: 0, AllRanksDone: false } progress || _roster.Devices.All(d => d.Grant is not null)) return;
        var least = _node.Plan.Elastic.SuspectAfter;
        var patience = _longestGrant * 4 > least ? _longestGrant * 4 : least;
        foreach (var device in _roster.Devices)
            if (device.Grant is { } grant && DateTime.UtcNow - device.GrantedAt > patience) progress.Requeue(grant.GrantId);
    }

    private bool IsPlaced(ShardId shard, ReplicaId replica) => _state.Placed!.Placements[shard.Value].Replica == replica;

    private void ResendApply()
    {
        if (_lastApply is null) return;
        foreach (var (shard, replica) in _replicas)
            if (!_appliedShards.Contains(shard)) replica.Tell(_lastApply);
    }

    private void Withdraw(Worker worker)
    {
        foreach (var device in worker.Devices)
        {
            if (device.Grant is { } grant) _progress?.Requeue(grant.GrantId);
            device.Grant = null;
        }
    }

    private DeviceSlot? Free(long grantId)
    {
        var device = _roster.Workers.SelectMany(w => w.Devices).FirstOrDefault(d => d.Grant?.GrantId == grantId);
        if (device is not null) device.Grant = null;
        return device;
    }

    private void AbandonStep()
    {
        foreach (var device in _roster.Workers.SelectMany(w => w.Devices)) device.Grant = null;
        _progress = null;
        _lastApply = null;
        _round = null;
    }
}
