using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>Stepping: wait for every rank and every replica's seal, decide, apply, journal.</summary>
public sealed partial class Coordinator
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(100);

    private readonly ThroughputMeter _meter = new();

    /// <summary>Replicas that left during the step in progress: they may have sealed it before, and a sibling may contradict.</summary>
    private readonly Dictionary<ReplicaId, ReplicaPlacement> _left = [];
    private StepProgress? _progress;
    private ApplyStep? _lastApply;
    private Lineage _version;
    private Step _grantedThrough;
    private long _optimizerStep;
    private long _unmaskedTokens;
    private DateTime? _ranksDoneAt, _coveredAt;
    private int _pendingCommits;
    private bool _paused, _waitingForWorkers, _stopping;

    private void StartStepping()
    {
        _phase = Phase.Stepping;
        _meter.Reset();
        _routes = null;
        _placedAt = _lastAttempt.Next;
        foreach (var worker in _roster.Workers) worker.HellosWithoutReplica = 0;
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
        if (!HasData(step)) return;
        int prefix = _state.FrozenPrefixAt(step);
        BeginAttempt();
        _progress = new StepProgress(
            _version, _run.VirtualRanks, prefix, [.. _run.Layout.Shards.Select(s => !ParameterLayout.IsFrozen(s, prefix))],
            _replicas.InSync.Select(r => KeyValuePair.Create(r.Id, r.Shard)))
        {
            Attempt = _lastAttempt,
            Audit = NewAudit(step),
        };
        _mostRanks = MostRanks(_progress.Audit);
        _left.Clear();
        (_ranksDoneAt, _coveredAt) = (null, null);
        if (step > _grantedThrough) _grantedThrough = step;
        _host.Clock.Mark(step, StepMark.Granted);
        GrantIdle();
    }

    /// <summary>Whether the coordinator has the data of a step, which it counts the tokens of. A node without them must not coordinate.</summary>
    private bool HasData(Step step)
    {
        try
        {
            _unmaskedTokens = _run.UnmaskedTokens(_state, step);
            return true;
        }
        catch (Exception error) when (error is ElasticTrainException or IOException or UnauthorizedAccessException)
        {
            Refuse($"{_host.Node.Name} cannot read the data of step {step}: {error.Message}");
            return false;
        }
    }

    private void OnRanksCompleted(RanksCompleted message)
    {
        if (message.Term != _term) return;
        var device = _roster.TakeBack(message.GrantId);
        if (device is not null)
        {
            var took = _host.UtcNow - device.GrantedAt;
            if (took > _longestGrant) _longestGrant = took;
            device.Finished(message.GrantId, message.Ranks.Count, took);
        }
        if (_phase == Phase.Stepping && message.Attempt == _progress?.Attempt)
        {
            _progress.Audit.Complete(message);
            // First of all: what follows may decide the step.
            JudgeAudits();
        }
        // Nothing of an audit went anywhere.
        if (_phase == Phase.Stepping && message.Attempt == _progress?.Attempt && !message.IsAudit)
        {
            if (message.Missed.Count > 0 && !PutOut(message.Missed))
            {
                // The only replica left of a shard did not get them.
                _progress?.Requeue(message.GrantId);
                if (device is not null) device.NotBefore = _host.UtcNow + RetryDelay;
            }
            else if (message.Attempt == _progress?.Attempt) _progress.Complete(message);
        }
        GrantIdle();
        OnProgress();
    }

    /// <summary>Replicas that a device could not reach lack its ranks: they leave their in-sync sets. False if one of them is all that a shard has.</summary>
    private bool PutOut(IReadOnlyList<ReplicaId> missed)
    {
        var replicas = missed.Select(_replicas.Find).OfType<LiveReplica>().ToList();
        RemoveWhereSiblingsRemain(replicas, "contributions did not reach them");
        return replicas.All(r => _replicas.Find(r.Id) is null);
    }

    private void OnRanksFailed(RanksFailed message)
    {
        if (message.Term != _term) return;
        if (message.Fatal && !Contradict(message))
        {
            Halt(_version.Step.Next, message.Reason);
            return;
        }
        if (_roster.TakeBack(message.GrantId) is { } device)
        {
            device.Failed();
            device.NotBefore = _host.UtcNow + RetryDelay;
        }
        _progress?.Requeue(message.GrantId);
        GrantIdle();
    }

    private void OnSealed(GradientSealed message)
    {
        if (_phase != Phase.Stepping || _progress is null || message.Input != _progress.Input || message.Attempt != _progress.Attempt || _replicas.Find(message.Replica) is not { } replica) return;
        if (replica.IsInSync)
        {
            if (_progress.Seal(message) is { } conflict)
            {
                Diverge(conflict);
                return;
            }
            Resolve(message);
            foreach (var observer in _replicas.Of(message.Shard).Where(r => !r.IsInSync).ToList()) TryAdmit(observer);
        }
        else
        {
            _observerSeals[replica.Id] = message;
            TryAdmit(replica);
        }
        OnProgress();
    }

    private void OnProgress()
    {
        if (_progress is not { AllRanksDone: true } progress) return;
        _ranksDoneAt ??= _host.UtcNow;
        if (progress.IsCovered) _coveredAt ??= _host.UtcNow;
        if (!progress.IsComplete) return;
        _host.Clock.Mark(progress.Step, StepMark.Complete);
        TryDecide();
    }

    /// <summary>Decides the step once it is complete and the one before it is durable.</summary>
    private void TryDecide()
    {
        if (_phase != Phase.Stepping || _progress is not { IsComplete: true } progress || _pendingCommits > 0 || Behind(progress).Any()) return;
        var step = progress.Step;
        _host.Clock.Mark(step, StepMark.Decidable);
        long denominator = _unmaskedTokens;
        long counted = progress.Outcomes.Sum(o => o.LossTokens);
        if (counted != denominator)
        {
            Halt(step, $"the ranks counted {counted} tokens, the sample index says {denominator}");
            return;
        }
        var effective = _state.EffectiveAt(step);
        var decision = StepDecider.Decide(
            _run.PlanAt(_state, step), progress.Input, [.. effective.Select(e => e.Content)],
            [.. progress.Seals.Select(s => new ShardSealReport(s.Shard, s.SumOfSquares, s.Finite, s.GradientDigest))],
            progress.Outcomes, denominator, _optimizerStep + 1);
        var apply = ApplyStep.From(_term, progress.Input, _optimizerStep, decision, progress.FrozenPrefix, effective) with { Attempt = progress.Attempt };
        var committed = apply.Decision;
        if (_state.CommitOf(step) is { } known && (known.Digest != committed.Digest || known.LossBits != committed.LossBits))
        {
            Halt(step, $"replaying step {step} gave digest {committed.Digest} and loss bits {committed.LossBits:x8}; the journal says {known.Digest} and {known.LossBits:x8}");
            return;
        }
        _lastApply = apply;
        foreach (var replica in _replicas.InSync) _host.Tell(replica.Actor, _lastApply);
        _version = _lastApply.Output;
        _optimizerStep = committed.OptimizerStep;
        _decidedAudit = progress.Audit;
        _progress = null;
        if (_state.CommitOf(step) is null) Commit(committed);
        _host.Decided(new Freezing.StepDecided(step, progress.FrozenPrefix, committed.LearningRate, [.. progress.Seals.Select(s => (s.Shard, s.SumOfSquares))]));
        _meter.Add(committed.Tokens);
        long every = _run.Plan.Checkpoint.Every;
        if (every > 0 && step.Value % every == 0 && step.Value < _target.Steps) StartRound();
        _host.Clock.Mark(step, StepMark.Decided);
        _host.Clock.Finish(step);
        OpenStep();
    }

    /// <summary>
    /// Replicas in sync that lack the version that a step starts from, and do not show it by a seal, because their shard is frozen: only the last decision is
    /// said again, so that one that missed two would never come back.
    /// </summary>
    private IEnumerable<LiveReplica> Behind(StepProgress progress) => progress.FrozenPrefix == 0 ? []
        : _replicas.InSync.Where(r => r.Applied != progress.Input && ParameterLayout.IsFrozen(_run.Layout.Shards[r.Shard.Value], progress.FrozenPrefix));

    private void Commit(StepCommitted committed)
    {
        _pendingCommits++;
        Record(committed, () =>
        {
            _pendingCommits--;
            TrySeal();
            TryDecide();
            if (_progress is null) OpenStep();
        });
    }

    private void OnApplied(StepApplied message)
    {
        // What was said of an earlier version may come late.
        if (_replicas.Find(message.Replica) is not { } replica || message.Applied.Step < replica.Applied.Step) return;
        replica.Applied = message.Applied;
        replica.Checksum = message.StateChecksum;
        if (DiffersFromSibling(replica)) return;
        // A frozen shard seals nothing: an observer of it shows by the version alone that it has kept up. Not while a step is open that has thawed it: of that it may lack contributions.
        var shard = _run.Layout.Shards[replica.Shard.Value];
        if (!replica.IsInSync && message.Applied == _version && _lastApply is { } last && ParameterLayout.IsFrozen(shard, last.FrozenPrefix)
            && (_progress is null || ParameterLayout.IsFrozen(shard, _progress.FrozenPrefix))) Admit(replica);
        if (_progress is { IsComplete: true, FrozenPrefix: > 0 }) TryDecide();
    }

    private void OnRefusal(ReplicaRefusal message)
    {
        if (message.Promised.Value > _term.Value) StepDown(message.Promised);
    }

    /// <summary>Messages may be lost while nodes come and go; everything outstanding is said again, and all of it can be heard twice.</summary>
    private void TickStep()
    {
        if (IsRepeatDue()) Repeat();
        if (_progress is null) OpenStep();
        AdmitIdle();
        PutOutSilent();
        Speculate();
        JudgeAudits();
        MaintainReplicas();
        ReleaseDrained();
        GrantIdle();
    }

    private void Repeat()
    {
        foreach (var device in _roster.AllDevices)
            if (device.Grant is { } grant) _host.Tell(device.Actor, device.Brief(grant));
        ResendApply();
        foreach (var worker in _roster.Workers.Where(w => w.LinkLost && _replicas.All.Any(r => r.Placement.Node == w.Hello.Node))) _host.Probe(worker.Hello.Node);
        if (_progress is { AllRanksDone: true, IsComplete: false } progress)
            foreach (var replica in progress.Awaited.Select(_replicas.Find).OfType<LiveReplica>()) _host.Tell(replica.Actor, new ReportSeal(_term, progress.Input));
        foreach (var recruit in _recruits.Values.ToList()) StartRecruit(recruit);
        NudgeRound();
    }

    /// <summary>
    /// A replica that lets a step wait although a sibling has sealed it leaves its in-sync set. If of some shard nobody seals although all ranks are
    /// done, what was contributed is gone with a replica: the ranks are computed again.
    /// </summary>
    private void PutOutSilent()
    {
        if (_progress is not { AllRanksDone: true } progress) return;
        var patience = _run.Plan.Elastic.SuspectAfter;
        if (_coveredAt is { } covered && _host.UtcNow - covered > patience)
        {
            List<LiveReplica> silent = [.. progress.Awaited.Select(_replicas.Find).OfType<LiveReplica>(), .. Behind(progress)];
            if (silent.Count > 0) RemoveWhereSiblingsRemain(silent, "a step waited for them in vain");
        }
        else if (_coveredAt is null && _ranksDoneAt is { } done && _host.UtcNow - done > patience * 4)
        {
            RestartStep("sums are missing though all ranks are done");
        }
    }

    private void ResendApply()
    {
        if (_lastApply is null) return;
        // Observers too: they have the decision from their siblings, but what they said about it may be lost.
        foreach (var replica in _replicas.All)
            if (replica.Applied != _lastApply.Output) _host.Tell(replica.Actor, _lastApply);
    }

    private void AbandonStep()
    {
        _roster.TakeBackAll();
        _progress = null;
        (_lastApply, _decidedAudit) = (null, null);
        _round = null;
    }
}
