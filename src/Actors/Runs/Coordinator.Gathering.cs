using Akka.Actor;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>Gathering: who is there, what do they hold, and where does the fold go on.</summary>
public sealed partial class Coordinator
{
    private readonly Dictionary<ReplicaId, (ReplicaReport Report, IActorRef Actor)> _reports = [];
    private readonly HashSet<Lineage> _badSeals = [];
    private IReadOnlyList<ReplicaPlacement> _placing = [];
    private ReplicaSource[] _sources = [];
    private DateTime _gatheringSince, _promisingSince;
    private string _reason = "first placement";
    private int _attempt;

    private void StartGathering()
    {
        if (_phase == Phase.Finished) return;
        IsInOffice = true;
        _host.TookOffice(_term);
        _phase = Phase.Gathering;
        _gatheringSince = _host.UtcNow;
        foreach (var worker in _roster.Workers) _host.Tell(worker.Hello.Agent, new WorkerWelcome(_term, _host.Self));
        _version = _state.CommittedVersion;
        _grantedThrough = _version.Step.Next;
        if (_state.Committed.Count >= _target.Steps && _state.Finished is not null) _detail = "checking the final checkpoint";
        TryProceed();
    }

    /// <summary>Goes on when enough is known: every replica in sync has been found, or is certain to be gone, or lets the run wait too long.</summary>
    private void TryProceed()
    {
        if (_phase != Phase.Gathering) return;
        if (_state.Replicas.Count > 0)
        {
            var found = _state.Replicas.Where(IsFound).ToList();
            bool whole = IsWhole(found.Select(p => p.Shard));
            bool patient = _host.UtcNow - _gatheringSince < _run.Plan.Elastic.SuspectAfter;
            var awaited = _state.Replicas.Except(found).Where(MayBeFound).Select(p => p.Node).Distinct().ToList();
            if (awaited.Count > 0 && (!whole || patient))
            {
                if (IsRepeatDue()) awaited.ForEach(_host.Probe);
                _detail = "waiting for the nodes that hold the shards";
                return;
            }
            if (whole)
            {
                _phase = Phase.Promising;
                _promisingSince = _host.UtcNow;
                _detail = "asking the replicas how far they are";
                _reports.Clear();
                WaitForReports();
                return;
            }
            _reason = "replicas were lost";
        }
        Rewind(_reason);
    }

    private bool IsFound(ReplicaPlacement placement) => _roster.Holder(placement) is not null && _roster.Find(placement.Node) is { LinkLost: false };

    /// <summary>A node that may still be alive will say hello; one that ended or left the cluster will not, and one that speaks without naming the replica does not have it.</summary>
    private bool MayBeFound(ReplicaPlacement placement) =>
        _roster.Find(placement.Node) is null && !_gone.ContainsKey(placement.Node) && _host.MayBeAlive(placement.Node);

    /// <summary>Asks those that have not reported, and goes on when all have, or when what there is is enough and the others are silent.</summary>
    private void WaitForReports()
    {
        if (_phase != Phase.Promising) return;
        var found = _state.Replicas.Where(IsFound).ToList();
        var missing = found.Where(p => !_reports.ContainsKey(p.Replica)).ToList();
        if (missing.Count > 0 && IsWhole(found.Select(p => p.Shard)) && (!IsWhole(_reports.Values.Select(r => r.Report.Shard)) || _host.UtcNow - _promisingSince < _run.Plan.Elastic.SuspectAfter))
        {
            foreach (var placement in missing) _host.Tell(_roster.Holder(placement)!.Actor, new PromiseTerm(_term));
            return;
        }
        if (IsWhole(_reports.Values.Select(r => r.Report.Shard))) TakeOver();
        else Rewind("a replica was lost during the take-over");
    }

    private bool IsWhole(IEnumerable<ShardId> shards) => shards.Distinct().Count() == _run.Layout.Shards.Count;

    private void OnReport(ReplicaReport report, IActorRef sender)
    {
        if (_phase != Phase.Promising || report.Term != _term) return;
        // The last words of a node that is gone: nobody would notice any more that its replicas are.
        if (_state.Replicas.Find(p => p.Replica == report.Replica) is not { } placement || _roster.Find(placement.Node) is null) return;
        _reports[report.Replica] = (report, sender);
        if (_state.Replicas.Where(IsFound).All(p => _reports.ContainsKey(p.Replica))) TakeOver();
    }

    /// <summary>Every replica obeys this term: finish the step that some of them have applied already, and go on from there.</summary>
    private void TakeOver()
    {
        var newest = _reports.Values.Select(r => r.Report).MaxBy(r => r.Applied.Step)!;
        bool known = _state.VersionAt(newest.Applied.Step) is { } version
            ? version == newest.Applied
            : newest.Applied.Step == _state.CommittedVersion.Step.Next && newest.Decision?.Input == _state.CommittedVersion;
        var usable = _state.Replicas.Where(p => _reports.TryGetValue(p.Replica, out var r) && CanReach(r.Report, newest)).ToList();
        if (!known || !IsWhole(usable.Select(p => p.Shard)))
        {
            Rewind($"the replicas are at different points (newest {newest.Applied}, {_state.Replicas.Count - usable.Count} elsewhere)");
            return;
        }
        _version = newest.Applied;
        // Where a replay was cut short, the committed steps ahead were granted long ago.
        if (_version.Step.Next > _grantedThrough) _grantedThrough = _version.Step.Next;
        _decidedAudit = null;
        _lastApply = newest.Decision is { } decision ? decision with { Term = _term } : null;
        _replicas.Clear();
        foreach (var placement in usable)
        {
            var (report, actor) = _reports[placement.Replica];
            _replicas.Add(new LiveReplica(placement, actor, isInSync: true) { Applied = report.Applied });
        }
        var left = _state.Replicas.Except(usable).ToList();
        if (left.Count > 0) Record(new ReplicasRemoved(left, $"not there when term {_term} took over"), () => { });
        _optimizerStep = newest.Decision?.Decision.OptimizerStep ?? OptimizerStepAt(_version);
        _host.Notes.Add($"term {_term}: {_host.Node.Name} coordinates from step {_version.Step} on");
        StartStepping();
        if (_version.Step > _state.CommittedVersion.Step) Commit(newest.Decision!.Decision);
        ResendApply();
        OpenStep();
    }

    /// <summary>Whether a replica is at the newest version, or can be brought there by the newest one's last decision: it must have the step's sum.</summary>
    private bool CanReach(ReplicaReport report, ReplicaReport newest) =>
        report.Applied == newest.Applied
        || (newest.Decision is { } decision && decision.Output == newest.Applied && report.Applied == decision.Input
            && ((report.Seal?.Input == decision.Input && report.Seal.Attempt == decision.Attempt) || ParameterLayout.IsFrozen(_run.Layout.Shards[report.Shard.Value], decision.FrozenPrefix)));

    private long OptimizerStepAt(Lineage version) => _state.CommitOf(version.Step)?.OptimizerStep ?? 0;

    /// <summary>Starts all replicas anew from the newest state that verifies, and replays from there.</summary>
    private void Rewind(string reason)
    {
        _reason = reason;
        AbandonStep();
        if (_stopping)
        {
            // There is nothing to wait for: the journal and the newest seal are enough to go on from.
            End(130, $"stopped at step {_state.Committed.Count} ({_stopReason}); the next start replays the steps since the last checkpoint");
            return;
        }
        int workers = _roster.Reachable.Count();
        // The first placement waits for everybody; a later one only for those that start at the same time, because replicas move to who comes later.
        var patience = _state.Placed is null ? RunTarget.Patience : _phase == Phase.Gathering ? 2 * _run.Plan.Elastic.SuspectAfter : TimeSpan.Zero;
        if (workers < Math.Max(1, _target.MinWorkers) || (workers < _target.ExpectedWorkers && _host.UtcNow - _gatheringSince < patience))
        {
            if (_phase != Phase.Gathering)
            {
                _phase = Phase.Gathering;
                _gatheringSince = _host.UtcNow;
            }
            _detail = $"waiting for workers: {workers} of {Math.Max(_target.MinWorkers, _target.ExpectedWorkers)}";
            // All replicas are made anew from storage: what a draining node holds is worth nothing any more, and its next life may be waited for.
            foreach (var worker in _roster.Workers.Where(w => w.Draining)) Release(worker);
            return;
        }
        _phase = Phase.Loading;
        _detail = "checking the newest checkpoint";
        _host.FindStartPoint(++_attempt, _state.Seals.Select(s => s.Version).Where(v => _state.VersionAt(v.Step) == v).ToHashSet());
    }

    private void OnStartPoint(StartPoint point)
    {
        if (_phase != Phase.Loading || point.Attempt != _attempt) return;
        foreach (string problem in point.Problems) _host.Notes.Add(problem);
        foreach (var bad in point.Bad) _badSeals.Add(bad);
        bool finalIsThere = point.Manifest is { } final && final.Version == _state.CommittedVersion;
        if (_state.Committed.Count >= _target.Steps && _state.Finished is { } finished && finalIsThere)
        {
            End(0, $"finished at step {finished.Version.Step} already");
            return;
        }
        var from = point.Manifest?.Version ?? new Lineage(Step.Zero, _state.Created!.Initial);
        if (_state.Seals.Count > 0 && point.Problems.Count > 0)
            _host.Notes.Add($"going on from {(point.Manifest is null ? "the initial state" : $"the checkpoint of step {from.Step}")} and replaying to step {_state.Committed.Count}");
        _sources = [.. _run.Layout.Shards.Select(shard => point.Manifest is null
            ? new ReplicaSource(from, null, 0)
            : new ReplicaSource(from, point.Manifest.Blobs[shard.Id.Value].Hash, point.Manifest.Blobs[shard.Id.Value].Bytes))];
        var nodes = _roster.Reachable.Select(w => w.Hello.Node).ToList();
        if (nodes.Count == 0)
        {
            _phase = Phase.Gathering;
            return;
        }
        _detail = "placing shards";
        foreach (var replica in _replicas.All) _host.Tell(replica.Actor, new StopReplica(_term));
        _replicas.Clear();
        _recruits.Clear();
        int attempt = ++_attempt;
        var placements = ReplicaPlacer.Place(_run.Layout.Shards, nodes, _run.Plan.Elastic.Replicas, LastReplica);
        _lastReplica = placements[^1].Replica.Value;
        Record(new ReplicasPlaced(from, placements, _reason), () =>
        {
            if (attempt != _attempt || _phase != Phase.Loading) return;
            _phase = Phase.Placing;
            _placing = placements;
            _version = from;
            _optimizerStep = point.Manifest?.OptimizerStep ?? 0;
            LoseReplicas(p => _roster.Find(p.Node) is null, "a node was lost while shards were placed");
            SendStarts();
        });
    }

    private void SendStarts()
    {
        if (_phase != Phase.Placing) return;
        foreach (var placement in _placing)
        {
            if (_replicas.Find(placement.Replica) is not null) continue;
            _host.TellEntity(placement, new StartReplica(_term, _run.Run, placement.Shard, placement.Replica, _sources[placement.Shard.Value], _host.Self));
        }
    }

    private void OnReplicaReady(ReplicaReady message)
    {
        if (_phase == Phase.Stepping)
        {
            OnRecruitReady(message);
            return;
        }
        if (_phase != Phase.Placing || _placing.FirstOrDefault(p => p.Replica == message.Replica) is not { } placement) return;
        if (message.Applied != _version)
        {
            Rewind($"{message.Shard}~{message.Replica} started at {message.Applied}, expected {_version}");
            return;
        }
        _replicas.Add(new LiveReplica(placement, message.Actor, isInSync: true) { Applied = message.Applied });
        StepWhenPlaced();
    }

    private void StepWhenPlaced()
    {
        if (_placing.Any(p => _replicas.Find(p.Replica) is null)) return;
        _grantedThrough = _version.Step > _grantedThrough ? _version.Step : _grantedThrough;
        _lastApply = null;
        StartStepping();
        OpenStep();
    }

    private void OnReplicaFailed(ReplicaFailed message)
    {
        if (_phase == Phase.Stepping)
        {
            OnRecruitFailed(message);
            return;
        }
        if (_phase != Phase.Placing || _placing.All(p => p.Replica != message.Replica)) return;
        _host.Notes.Add($"{message.Shard}~{message.Replica} could not start: {message.Reason}");
        Rewind($"{message.Shard} could not be loaded");
    }
}
