using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>
/// Replication: who is in sync. Replicas that nobody can reach leave; others are made from their siblings while training goes on, and join once
/// their state has proved equal; a move adds before it removes; and of two that differ, a replay finds out which is wrong.
/// </summary>
public sealed partial class Coordinator
{
    /// <summary>Replicas that are made at one time: their copies share the siblings' networks with training.</summary>
    private const int MaxRecruits = 8;

    private static readonly TimeSpan RecruitPatience = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan RecruitRetry = TimeSpan.FromSeconds(1);

    /// <summary>A replica in the making.</summary>
    private sealed class Recruitment(ReplicaPlacement placement, ReplicaId sibling, ReplicaId? movesFrom, DateTime since)
    {
        public ReplicaPlacement Placement { get; } = placement;

        public ReplicaId Sibling { get; } = sibling;

        public ReplicaId? MovesFrom { get; } = movesFrom;

        public DateTime Since { get; } = since;

        public bool IsDurable { get; set; }
    }

    private readonly Dictionary<ReplicaId, Recruitment> _recruits = [];
    private readonly Dictionary<ReplicaId, ReplicaId> _moves = [];
    private readonly Dictionary<ReplicaId, GradientSealed> _observerSeals = [];
    private readonly Dictionary<ShardId, DateTime> _recruitAfter = [];
    private int _lastReplica;
    private (long Changes, HashSet<NodeId> Holders) _maintained = (-1, []);
    private bool _resolving;

    private int LastReplica => Math.Max(_lastReplica, _state.LastReplica);

    /// <summary>Replicas are gone. Where a shard has none left, all shards go back to the newest checkpoint.</summary>
    private void LoseReplicas(Func<ReplicaPlacement, bool> which, string reason)
    {
        switch (_phase)
        {
            case Phase.Placing:
                var lost = _placing.Where(which).ToList();
                if (lost.Count == 0) return;
                var left = _placing.Except(lost).ToList();
                if (!IsWhole(left.Select(p => p.Shard)))
                {
                    Rewind(reason);
                    return;
                }
                foreach (var placement in lost) _replicas.Remove(placement.Replica);
                _placing = left;
                Record(new ReplicasRemoved(lost, reason), () => { });
                StepWhenPlaced();
                break;
            case Phase.Promising:
                foreach (var placement in _state.Replicas.Where(which)) _reports.Remove(placement.Replica);
                WaitForReports();
                break;
            case Phase.Stepping:
                foreach (var recruit in _recruits.Values.Where(r => which(r.Placement)).ToList()) GiveUp(recruit);
                var gone = _replicas.All.Where(r => which(r.Placement)).ToList();
                if (_replicas.WouldLose(gone.Select(r => r.Id))) Rewind(reason);
                else RemoveWhereSiblingsRemain(gone, reason);
                break;
            default:
                break;
        }
    }

    /// <summary>Puts replicas out of their in-sync sets, each as far as a sibling stays.</summary>
    private void RemoveWhereSiblingsRemain(IReadOnlyList<LiveReplica> replicas, string reason)
    {
        var removed = new List<ReplicaPlacement>();
        foreach (var replica in replicas)
        {
            if (_replicas.IsLast(replica)) continue;
            _replicas.Remove(replica.Id);
            _left[replica.Id] = replica.Placement;
            _routes = null;
            _observerSeals.Remove(replica.Id);
            _moves.Remove(replica.Id);
            _progress?.Forget(replica.Id);
            _host.Tell(replica.Actor, new StopReplica(_term));
            if (replica.IsInSync) removed.Add(replica.Placement);
            // Who followed it finds nobody to follow.
            foreach (var recruit in _recruits.Values.Where(r => r.Sibling == replica.Id).ToList()) GiveUp(recruit);
        }
        if (removed.Count == 0) return;
        _host.Notes.Add($"{removed.Count} replica(s) left: {reason}");
        Record(new ReplicasRemoved(removed, reason), () => { });
        if (_round is { } round && round.Version == _version)
            foreach (var shard in removed.Select(p => p.Shard).Intersect(round.Missing)) _host.Tell(_replicas.Primary(shard).Actor, new SnapshotReplica(_term, _version));
        OnProgress();
    }

    /// <summary>Makes what is missing, takes away what is too much, and evens out what newcomers have made uneven.</summary>
    private void MaintainReplicas()
    {
        if (_stopping) return;
        var holders = _roster.Workers.Where(w => w.CanHold).Select(w => w.Hello.Node).ToHashSet();
        int wanted = Math.Min(_run.Plan.Elastic.Replicas, holders.Count);
        // Most of the time nothing has changed since nothing was to be done.
        if (wanted == 0 || (_replicas.Changes == _maintained.Changes && _recruits.Count == 0 && holders.SetEquals(_maintained.Holders))) return;
        foreach (var recruit in _recruits.Values.Where(r => !holders.Contains(r.Placement.Node) || _host.UtcNow - r.Since > RecruitPatience).ToList()) GiveUp(recruit);
        bool isSurplus = RemoveSurplus(holders, wanted), any = false;
        List<ReplicaPlacement> present = [.. _replicas.All.Select(r => r.Placement), .. _recruits.Values.Select(r => r.Placement)];
        int free = MaxRecruits - _recruits.Count - _replicas.Observers.Count();
        foreach (var recruit in ReplicaPlacer.Missing(_run.Layout.Shards, holders, present, wanted))
        {
            any = true;
            if (free <= 0) break;
            if (Recruit(recruit.Shard, recruit.Node, null, $"{_replicas.InSyncOf(recruit.Shard).Count()} of {wanted} replicas are there")) free--;
        }
        if (any || _recruits.Count > 0 || _replicas.Observers.Any()) return;
        if (ReplicaPlacer.Move(_run.Layout.Shards, holders, present) is { } move)
            Recruit(move.Replica.Shard, move.To, move.Replica.Replica, $"moves from {move.Replica.Node.Name} to {move.To.Name}");
        else if (!isSurplus) _maintained = (_replicas.Changes, holders);
    }

    /// <summary>A move's old replica goes once its new one is in sync; so does one on a node that drains, and one more than there should be.</summary>
    /// <returns>Whether there was any, also if it has to stay for now.</returns>
    private bool RemoveSurplus(HashSet<NodeId> holders, int wanted)
    {
        var surplus = new List<LiveReplica>();
        foreach (var shard in _run.Layout.Shards)
        {
            var kept = _replicas.InSyncOf(shard.Id).Where(r => holders.Contains(r.Placement.Node)).ToList();
            if (kept.Count < wanted) continue;
            surplus.AddRange(_replicas.InSyncOf(shard.Id).Where(r => _roster.Find(r.Placement.Node) is { Draining: true }));
            if (kept.Count == wanted) continue;
            surplus.Add(kept.FirstOrDefault(r => kept.Any(k => _moves.TryGetValue(k.Id, out var from) && from == r.Id)) ?? kept[^1]);
        }
        bool any = surplus.Count > 0;
        surplus.RemoveAll(r => !HasShownItsState(r));
        if (surplus.Count > 0) RemoveWhereSiblingsRemain(surplus, "their successors are in sync");
        return any;
    }

    /// <summary>
    /// Whether a replica's state has proved equal to a sibling's at the newest version. One that goes before that takes the proof with it that what devices have pulled
    /// from it was right.
    /// </summary>
    private bool HasShownItsState(LiveReplica replica) => replica.Applied == _version && _replicas.InSyncOf(replica.Shard)
        .Any(r => r != replica && r.Applied == _version && StepProgress.CanBeSameState(r.Checksum, replica.Checksum));

    private bool Recruit(ShardId shard, NodeId node, ReplicaId? movesFrom, string reason)
    {
        if (_recruitAfter.TryGetValue(shard, out var after) && _host.UtcNow < after) return false;
        // The last one: the primary has enough to do.
        if (_replicas.InSyncOf(shard).LastOrDefault(r => _roster.Find(r.Placement.Node) is { LinkLost: false, Silent: false, Unreachable: false }) is not { } sibling) return false;
        var placement = new ReplicaPlacement(shard, new ReplicaId(_lastReplica = LastReplica + 1), node);
        var recruitment = new Recruitment(placement, sibling.Id, movesFrom, _host.UtcNow);
        _recruits.Add(placement.Replica, recruitment);
        Record(new ReplicaRecruited(placement, sibling.Id, reason), () =>
        {
            recruitment.IsDurable = true;
            StartRecruit(recruitment);
        });
        return true;
    }

    private void StartRecruit(Recruitment recruit)
    {
        if (_phase != Phase.Stepping || !recruit.IsDurable || _recruits.GetValueOrDefault(recruit.Placement.Replica) != recruit) return;
        if (_replicas.Find(recruit.Sibling) is not { IsInSync: true } sibling || _roster.Find(sibling.Placement.Node) is not { } worker)
        {
            GiveUp(recruit);
            return;
        }
        var source = new ReplicaSource(default, null, 0) { Sibling = new SiblingSource(sibling.Id, worker.Hello.DataPlane, sibling.Actor) };
        _host.TellEntity(recruit.Placement, new StartReplica(_term, _run.Run, recruit.Placement.Shard, recruit.Placement.Replica, source, _host.Self));
    }

    private void GiveUp(Recruitment recruit)
    {
        _recruits.Remove(recruit.Placement.Replica);
        _recruitAfter[recruit.Placement.Shard] = _host.UtcNow + RecruitRetry;
    }

    private void OnRecruitReady(ReplicaReady message)
    {
        if (!_recruits.Remove(message.Replica, out var recruit)) return;
        var observer = new LiveReplica(recruit.Placement, message.Actor, isInSync: false) { Applied = message.Applied };
        _replicas.Add(observer);
        if (recruit.MovesFrom is { } from) _moves[observer.Id] = from;
        _routes = null;
        // Nothing is under way that it could miss, and its copy was checked on its way.
        if (_progress is null && message.Applied == _version) Admit(observer);
    }

    private void OnRecruitFailed(ReplicaFailed message)
    {
        if (_recruits.TryGetValue(message.Replica, out var recruit)) GiveUp(recruit);
        else if (_replicas.Find(message.Replica) is { } replica)
        {
            _recruitAfter[replica.Shard] = _host.UtcNow + RecruitRetry;
            LoseReplicas(p => p.Replica == message.Replica, $"{message.Shard}~{message.Replica} failed: {message.Reason}");
        }
        else return;
        _host.Notes.Add($"{message.Shard}~{message.Replica} could not be made: {message.Reason}");
    }

    /// <summary>An observer that has summed the step in progress, from a state with its sibling's checksum, has everything that a member must have.</summary>
    private void TryAdmit(LiveReplica observer)
    {
        if (_progress is not { } progress || !_observerSeals.TryGetValue(observer.Id, out var seal) || seal.Input != progress.Input || seal.Attempt != progress.Attempt) return;
        if (progress.SealOf(observer.Shard) is not { } known) return;
        if (!StepProgress.Agree(known, seal))
        {
            Diverge(new SealConflict(known, seal));
            return;
        }
        if (seal.StateChecksum is not null && known.StateChecksum is not null) Admit(observer);
    }

    /// <summary>While no step is open, also because there are too few workers for one, nothing is under way that an observer could miss: its version and checksum tell.</summary>
    private void AdmitIdle()
    {
        if (_progress is not null) return;
        foreach (var observer in _replicas.Observers.Where(o => o.Applied == _version).ToList())
        {
            var primary = _replicas.Primary(observer.Shard);
            if (primary.Applied == _version && StepProgress.CanBeSameState(observer.Checksum, primary.Checksum)) Admit(observer);
        }
    }

    private void Admit(LiveReplica observer)
    {
        _replicas.Admit(observer);
        _observerSeals.Remove(observer.Id);
        _routes = null;
        Record(new ReplicaJoined(observer.Placement, observer.Applied), () => { });
        _host.Tell(observer.Actor, new AdmitReplica(_term));
    }

    /// <summary>Two replicas of a shard differ. Nothing is decided; the bits are computed again from a state from before they can have differed.</summary>
    private void Diverge(SealConflict conflict)
    {
        var (first, second) = (conflict.First, conflict.Second);
        string what = first.GradientDigest != second.GradientDigest
            ? $"gradients {first.GradientDigest:x32} and {second.GradientDigest:x32}" : $"states {first.StateChecksum:x16} and {second.StateChecksum:x16}";
        if (conflict.IsSelfContradiction)
        {
            Halt(first.Input.Step.Next, $"{first.Shard}~{first.Replica} sealed step {first.Input.Step.Next} twice with different {what}");
            return;
        }
        List<ReplicaFinding> findings = [.. new[] { first, second }.Select(s => new ReplicaFinding(_replicas.Find(s.Replica)?.Placement ?? _left[s.Replica], s.GradientDigest, s.StateChecksum))];
        string where = string.Join(" and ", findings.Select(f => $"~{f.Replica.Replica} on {f.Replica.Node.Name}"));
        string reason = $"replicas of {first.Shard} differ at step {first.Input.Step.Next}: {where} have {what}";
        _host.Notes.Add(reason);
        AbandonStep();
        _phase = Phase.Loading;
        int attempt = ++_attempt;
        _resolving = false;
        Record(new ReplicaDiverged(first.Shard, first.Input, findings), () =>
        {
            if (_phase == Phase.Loading && attempt == _attempt) Rewind(reason);
        });
    }

    /// <summary>
    /// Compares the states of a shard's replicas as soon as they have applied a step. Their next seals say the same later, but a replica may have left its
    /// in-sync set by then, while gradients that were computed on its parameters stay.
    /// </summary>
    /// <returns>Whether they differ, and the step was given up.</returns>
    private bool DiffersFromSibling(LiveReplica replica)
    {
        // 0: nothing was computed, or by another life of the coordinator.
        if (_phase != Phase.Stepping || !replica.IsInSync || replica.Checksum is null or 0) return false;
        if (_state.Divergence is { } open && open.Shard == replica.Shard && open.Input == replica.Applied && open.Findings.Select(f => f.StateChecksum).Distinct().Count() > 1)
            Resolve(State(replica));
        foreach (var sibling in _replicas.InSyncOf(replica.Shard))
        {
            if (sibling.Applied != replica.Applied || sibling.Checksum is null or 0 || sibling.Checksum == replica.Checksum) continue;
            Diverge(new SealConflict(State(sibling), State(replica)));
            return true;
        }
        return false;

        static GradientSealed State(LiveReplica of) => new(of.Shard, of.Id, of.Applied, 0, true, 0) { StateChecksum = of.Checksum };
    }

    /// <summary>A replay has come to where replicas had differed: now it shows who was wrong.</summary>
    private void Resolve(GradientSealed seal)
    {
        if (_resolving || _state.Divergence is not { } divergence || divergence.Shard != seal.Shard || divergence.Input != seal.Input) return;
        _resolving = true;
        // Devices may have computed on the wrong state, and then the gradients of all are wrong: where states differ, they alone tell.
        bool byState = seal.StateChecksum is not null && divergence.Findings.Select(f => f.StateChecksum).Distinct().Count() > 1;
        List<ReplicaPlacement> wrong = [.. divergence.Findings
            .Where(f => byState ? f.StateChecksum is { } checksum && checksum != seal.StateChecksum : f.GradientDigest != seal.GradientDigest).Select(f => f.Replica)];
        Record(new DivergenceResolved(seal.Shard, seal.Input, wrong), () => _host.Notes.Add(wrong.Count == 0
            ? $"the replay of step {seal.Input.Step.Next} could not tell which replica of {seal.Shard} was wrong"
            : $"the replay shows: {string.Join(", ", wrong.Select(p => $"{p.Shard}~{p.Replica} on {p.Node.Name}"))} held wrong bits"));
    }
}
