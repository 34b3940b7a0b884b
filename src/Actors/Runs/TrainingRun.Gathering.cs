using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>Gathering: who is there, what do they hold, and where does the fold go on.</summary>
public sealed partial class TrainingRun
{
    private sealed record StartPoint(int Attempt, CheckpointManifest? Manifest, IReadOnlyList<string> Problems, IReadOnlyList<Lineage> Bad);
    private sealed record StartPointFailed(int Attempt, Exception Error);
    private const int HellosBeforeLoss = 8;

    private sealed record Deferred(IRunCommand Command, IActorRef Client);

    private readonly Dictionary<ShardId, IActorRef> _replicas = [];
    private readonly Dictionary<ShardId, ReplicaReport> _reports = [];
    private readonly HashSet<Lineage> _badSeals = [];
    private ReplicaSource[] _sources = [];
    private RunEnded? _end;
    private DateTime _gatheringSince;
    private string _reason = "first placement";
    private int _attempt;

    private void StartGathering()
    {
        if (_phase == Phase.Finished) return;
        _phase = Phase.Gathering;
        _gatheringSince = DateTime.UtcNow;
        foreach (var worker in _roster.Workers) worker.Hello.Agent.Tell(new WorkerWelcome(_term, Self));
        _version = _state.CommittedVersion;
        _grantedThrough = _version.Step.Next;
        if (_state.Committed.Count >= _target.Steps && _state.Finished is not null) _detail = "checking the final checkpoint";
        TryProceed();
    }

    private void OnHello(WorkerHello hello)
    {
        string? refusal =
            hello.Run != _node.Run ? $"run id: found {hello.Run}, expected {_node.Run}"
            : hello.ProtocolVersion != NodeRuntime.ProtocolVersion ? $"protocol version: found {hello.ProtocolVersion}, expected {NodeRuntime.ProtocolVersion}"
            : hello.PlanHash != _node.Definition.PlanHash ? $"plan hash: found {hello.PlanHash}, expected {_node.Definition.PlanHash}: the node's plan or data differ from the run's"
            : hello.NumericsClass != _node.NumericsClass ? $"numerics class: found {hello.NumericsClass}, expected {_node.NumericsClass}: the node's processor or libraries compute other bits"
            : null;
        if (refusal is not null)
        {
            _notes.Add($"{hello.Node} refused: {refusal}");
            hello.Agent.Tell(new WorkerRefused($"{hello.Node.Name} was refused by run {_node.Run}: {refusal}"));
            return;
        }
        // A node's last words may arrive after the news of its end; only members count.
        if (!IsMember(hello.Node)) return;
        bool isNew = _roster.Update(hello);
        if (isNew)
        {
            _log.Info("{0} joined with {1} device(s)", hello.Node, hello.Devices.Count);
            if (_phase == Phase.Stepping) _notes.Add($"{hello.Node.Name} joined with {hello.Devices.Count} device(s)");
            if (_phase != Phase.Starting) hello.Agent.Tell(new WorkerWelcome(_term, Self));
        }
        StopStrangers(hello);
        MissReplicas(hello);
        if (_end is not null) hello.Agent.Tell(_end);
        else if (_phase == Phase.Gathering) TryProceed();
        else if (isNew && _phase == Phase.Stepping) OpenStep();
    }

    /// <summary>Ends replicas that are in no in-sync set any more, wherever they turn up: a placement may have changed while their node was silent.</summary>
    private void StopStrangers(WorkerHello hello)
    {
        if (_phase is not (Phase.Placing or Phase.Stepping)) return;
        foreach (var held in hello.Replicas)
            if (_state.Placed!.Placements[held.Shard.Value].Replica.Value > held.Replica.Value) held.Actor.Tell(new StopReplica(_term));
    }

    /// <summary>A replica may end while its node lives on: notice what its node no longer names.</summary>
    private void MissReplicas(WorkerHello hello)
    {
        if (_phase != Phase.Stepping || _roster.Find(hello.Node) is not { } worker) return;
        var missing = _state.Placed!.Placements.FirstOrDefault(p => p.Node == hello.Node && _roster.Holder(p) is null);
        // Some hellos may have been under way since before the replica was there.
        worker.HellosWithoutReplica = missing is null ? 0 : worker.HellosWithoutReplica + 1;
        if (worker.HellosWithoutReplica >= HellosBeforeLoss) Rewind($"{hello.Node.Name} no longer holds {missing!.Shard}~{missing.Replica}");
    }

    private void OnMemberEvent(ClusterEvent.IMemberEvent message)
    {
        if (message is not (ClusterEvent.MemberRemoved or ClusterEvent.MemberDowned or ClusterEvent.MemberLeft or ClusterEvent.MemberExited)) return;
        var lost = _roster.Find(message.Member.Address.ToString(), message.Member.UniqueAddress.Uid);
        if (lost is not null) Lose(lost);
        else if (_phase == Phase.Gathering) TryProceed();
    }

    private bool IsMember(NodeId node) => _cluster.State.Members.Any(m =>
        m.UniqueAddress.Uid == node.Uid && m.Address.ToString() == node.Address && m.Status is (MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up));

    /// <summary>The cluster's view, asked again: an event that was missed must not leave a dead worker in the roster.</summary>
    private void DropFormerMembers()
    {
        foreach (var worker in _roster.Workers.Where(w => !IsMember(w.Hello.Node)).ToList()) Lose(worker);
    }

    private void OnReachability(ClusterEvent.ReachabilityEvent message)
    {
        if (_roster.Find(message.Member.Address.ToString(), message.Member.UniqueAddress.Uid) is not { } worker) return;
        worker.Unreachable = message is ClusterEvent.UnreachableMember;
        if (!worker.Unreachable || _phase != Phase.Stepping) return;
        _notes.Add($"{worker.Hello.Node.Name} does not answer; its ranks go to others");
        Withdraw(worker);
        GrantIdle();
    }

    private void Lose(Worker worker)
    {
        var node = worker.Hello.Node;
        _roster.Remove(node);
        if (_phase == Phase.Finished) return;
        _notes.Add($"{node.Name} is gone");
        if (_phase is Phase.Gathering)
        {
            TryProceed();
            return;
        }
        Withdraw(worker);
        bool held = _state.Placed?.Placements.Any(p => p.Node == node) ?? false;
        if (held && _phase is (Phase.Placing or Phase.Promising or Phase.Stepping)) Rewind($"{node.Name} is gone with its shards");
        else if (_phase == Phase.Stepping) GrantIdle();
    }

    /// <summary>Goes on when enough is known: either every placed replica lives, or it is certain that one does not.</summary>
    private void TryProceed()
    {
        if (_phase != Phase.Gathering) return;
        if (_state.Placed is { } placed)
        {
            if (placed.Placements.All(p => _roster.Holder(p) is not null))
            {
                _phase = Phase.Promising;
                _detail = "asking the replicas how far they are";
                _reports.Clear();
                SendPromises();
                return;
            }
            // A node that may still be alive will say hello; a node that left the cluster will not.
            if (placed.Placements.Any(p => _roster.Holder(p) is null && MayBeAlive(p)))
            {
                _detail = "waiting for the nodes that hold the shards";
                return;
            }
            _reason = "replicas were lost";
        }
        Rewind(_reason);
    }

    private bool MayBeAlive(ReplicaPlacement placement)
    {
        // A node that speaks but does not report the replica does not have it.
        if (_roster.Find(placement.Node) is not null) return false;
        return _cluster.State.Members.Any(m =>
            m.UniqueAddress.Uid == placement.Node.Uid && m.Address.ToString() == placement.Node.Address && m.Status is not (MemberStatus.Down or MemberStatus.Removed));
    }

    private void SendPromises()
    {
        foreach (var placement in _state.Placed!.Placements)
        {
            if (_reports.ContainsKey(placement.Shard)) continue;
            if (_roster.Holder(placement) is { } held) held.Actor.Tell(new PromiseTerm(_term));
            else
            {
                Rewind("a replica was lost during the take-over");
                return;
            }
        }
    }

    private void OnReport(ReplicaReport report)
    {
        if (_phase != Phase.Promising || report.Term != _term) return;
        var placement = _state.Placed!.Placements[report.Shard.Value];
        if (placement.Replica != report.Replica) return;
        _reports[report.Shard] = report;
        _replicas[report.Shard] = Sender;
        if (_reports.Count == _state.Placed.Placements.Count) TakeOver();
    }

    /// <summary>Every replica obeys this term: finish the step that some of them have applied already, and go on from there.</summary>
    private void TakeOver()
    {
        var newest = _reports.Values.MaxBy(r => r.Applied.Step)!;
        var behind = _reports.Values.Where(r => r.Applied != newest.Applied).ToList();
        bool known = _state.VersionAt(newest.Applied.Step) is { } version
            ? version == newest.Applied
            : newest.Applied.Step == _state.CommittedVersion.Step.Next && newest.Decision?.Input == _state.CommittedVersion;
        bool finishable = behind.Count == 0 || (newest.Decision is { } d && d.Output == newest.Applied && behind.All(r => r.Applied == d.Input));
        if (!known || !finishable)
        {
            Rewind($"the replicas are at different points (newest {newest.Applied}, {behind.Count} elsewhere)");
            return;
        }
        _version = newest.Applied;
        // Where a replay was cut short, the committed steps ahead were granted long ago.
        if (_version.Step.Next > _grantedThrough) _grantedThrough = _version.Step.Next;
        _lastApply = newest.Decision is { } decision ? decision with { Term = _term } : null;
        _appliedShards.Clear();
        foreach (var report in _reports.Values)
            if (report.Applied == newest.Applied) _appliedShards.Add(report.Shard);
        _optimizerStep = newest.Decision?.Decision.OptimizerStep ?? OptimizerStepAt(_version);
        _notes.Add($"term {_term}: {_node.Id.Name} coordinates from step {_version.Step} on");
        StartStepping();
        if (_version.Step > _state.CommittedVersion.Step) Commit(newest.Decision!.Decision);
        ResendApply();
        OpenStep();
    }

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
        bool patience = _state.Placed is null || _phase == Phase.Gathering;
        if (workers < Math.Max(1, _target.MinWorkers) || (patience && workers < _target.ExpectedWorkers && DateTime.UtcNow - _gatheringSince < RunTarget.Patience))
        {
            if (_phase != Phase.Gathering)
            {
                _phase = Phase.Gathering;
                _gatheringSince = DateTime.UtcNow;
            }
            _detail = $"waiting for workers: {workers} of {Math.Max(_target.MinWorkers, _target.ExpectedWorkers)}";
            return;
        }
        _phase = Phase.Loading;
        _detail = "checking the newest checkpoint";
        int attempt = ++_attempt;
        var store = _node.Definition.Checkpoints;
        var planHash = _node.Definition.PlanHash;
        var sealedVersions = _state.Seals.Select(s => s.Version).Where(v => _state.VersionAt(v.Step) == v).ToHashSet();
        Task.Run(() =>
        {
            var (newest, problems) = store.NewestThatVerifies(planHash, m => sealedVersions.Contains(m.Version));
            var bad = sealedVersions.Where(v => newest is null || v.Step > newest.Step).ToList();
            return new StartPoint(attempt, newest, problems, bad);
        }).PipeTo(Self, failure: e => new StartPointFailed(attempt, e));
    }

    private void OnStartPoint(StartPoint point)
    {
        if (_phase != Phase.Loading || point.Attempt != _attempt) return;
        foreach (string problem in point.Problems) _notes.Add(problem);
        foreach (var bad in point.Bad) _badSeals.Add(bad);
        bool finalIsThere = point.Manifest is { } final && final.Version == _state.CommittedVersion;
        if (_state.Committed.Count >= _target.Steps && _state.Finished is { } finished && finalIsThere)
        {
            End(0, $"finished at step {finished.Version.Step} already");
            return;
        }
        var from = point.Manifest?.Version ?? new Lineage(Step.Zero, _state.Created!.Initial);
        if (_state.Seals.Count > 0 && point.Problems.Count > 0)
            _notes.Add($"going on from {(point.Manifest is null ? "the initial state" : $"the checkpoint of step {from.Step}")} and replaying to step {_state.Committed.Count}");
        _sources = [.. _node.Layout.Shards.Select(shard => point.Manifest is null
            ? new ReplicaSource(from, null, 0)
            : new ReplicaSource(from, point.Manifest.Blobs[shard.Id.Value].Hash, point.Manifest.Blobs[shard.Id.Value].Bytes))];
        var nodes = _roster.Reachable.Select(w => w.Hello.Node).ToList();
        if (nodes.Count == 0)
        {
            _phase = Phase.Gathering;
            return;
        }
        _detail = "placing shards";
        foreach (var replica in _replicas.Values) replica.Tell(new StopReplica(_term));
        _replicas.Clear();
        _attempt++;
        int attempt = _attempt;
        Record(new ReplicasPlaced(from, ReplicaPlacer.Place(_node.Layout.Shards, nodes, _state.LastReplica), _reason), placed =>
        {
            if (attempt != _attempt || _phase != Phase.Loading) return;
            _phase = Phase.Placing;
            _version = from;
            _optimizerStep = point.Manifest?.OptimizerStep ?? 0;
            if (placed.Placements.Any(p => _roster.Find(p.Node) is null)) Rewind("a node was lost while shards were placed");
            else SendStarts();
        });
    }

    private void SendStarts()
    {
        foreach (var placement in _state.Placed!.Placements)
        {
            if (_replicas.ContainsKey(placement.Shard)) continue;
            var start = new StartReplica(_term, _node.Run, placement.Shard, placement.Replica, _sources[placement.Shard.Value], Self);
            _region.Tell(new ShardEnvelope(ReplicaEntityId.Of(placement).ToString(), start), Self);
        }
    }

    private void OnReplicaReady(ReplicaReady message)
    {
        if (_phase != Phase.Placing || _state.Placed!.Placements[message.Shard.Value].Replica != message.Replica) return;
        if (message.Applied != _version)
        {
            Rewind($"{message.Shard}~{message.Replica} started at {message.Applied}, expected {_version}");
            return;
        }
        _replicas[message.Shard] = message.Actor;
        if (_replicas.Count != _state.Placed.Placements.Count) return;
        _grantedThrough = _version.Step > _grantedThrough ? _version.Step : _grantedThrough;
        _lastApply = null;
        _appliedShards.Clear();
        StartStepping();
        OpenStep();
    }

    private void OnReplicaFailed(ReplicaFailed message)
    {
        if (_phase != Phase.Placing || _state.Placed!.Placements[message.Shard.Value].Replica != message.Replica) return;
        _notes.Add($"{message.Shard}~{message.Replica} could not start: {message.Reason}");
        Rewind($"{message.Shard} could not be loaded");
    }
}
