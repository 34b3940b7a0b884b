using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Simulation.Tests.Processes;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests.Checks;

/// <summary>Knows what must hold, and says at the very event when it does not. Looks at the journal as it is written, at every state that a replica has, and at every decision.</summary>
public sealed class Oracle : IDisposable
{
    private readonly Scenario _scenario;
    private readonly ReferenceFold _reference;
    private readonly HashSet<int> _replicaNumbers = [];
    private readonly Dictionary<int, ReplicaPlacement> _recruited = [];
    private readonly HashSet<string> _commands = [];
    private readonly List<ReplicaDiverged> _divergences = [];
    private readonly List<DivergenceResolved> _resolutions = [];
    private int _writer, _restarts;

    /// <summary>Before the first event.</summary>
    public Oracle(Scenario scenario, Digest256 initial)
    {
        _scenario = scenario;
        _reference = new ReferenceFold(scenario, initial);
    }

    /// <summary>The fold over the journal.</summary>
    public RunState State { get; private set; } = RunState.Empty;

    /// <summary>Replicas made or taken away so far: while that goes on, one whose bits are wrong may be gone before anybody compares them.</summary>
    public int Changes { get; private set; }

    /// <summary>The replica whose bits were flipped; null while none were.</summary>
    public (ShardId Shard, ReplicaId Replica)? Flipped { get; set; }

    /// <summary>The node with the device that has computed wrong gradients; null while none has. Whatever it computed, commits must be right.</summary>
    public string? CorruptNode { get; set; }

    /// <summary>Whether the flip has reached what devices compute on, so that a commit may be wrong until the halt.</summary>
    public bool MayCommitsBeWrong { get; set; }

    /// <summary>Whether the run halted.</summary>
    public bool HasHalted { get; private set; }

    /// <summary>An event is durable.</summary>
    /// <param name="event">The event.</param>
    /// <param name="writer">Who wrote it.</param>
    public void OnEvent(IRunEvent @event, int writer)
    {
        if (@event is CoordinatorStarted office)
        {
            Require(office.Term.Value > (State.Coordinator?.Term.Value ?? 0), $"term {office.Term} follows term {State.Coordinator?.Term}");
            _writer = writer;
        }
        else if (State.Created is null) Require(@event is RunCreated, $"the journal begins with {@event}");
        else Require(writer == _writer, $"two writers: {@event} after a later coordinator took office");
        switch (@event)
        {
            case RunCreated: Require(State.Created is null, "the run was created twice"); break;
            case StepCommitted e: OnCommit(e); break;
            case ReplicasPlaced e: OnPlaced(e); break;
            case ReplicaRecruited e:
                UseNumber(e.Placement.Replica);
                _recruited.Add(e.Placement.Replica.Value, e.Placement);
                break;
            case ReplicaJoined e: OnJoined(e); break;
            case ReplicasRemoved e:
                Require(e.Replicas.All(State.Replicas.Contains), $"{e} removes what is not in sync");
                foreach (var shard in e.Replicas.Select(r => r.Shard).Distinct())
                    Require(State.Replicas.Any(r => r.Shard == shard && !e.Replicas.Contains(r)), $"{e} leaves {shard} without a replica");
                break;
            case CheckpointSealed e:
                Require(State.VersionAt(e.Version.Step) == e.Version, $"{e.Version} is sealed before it is committed");
                if (Flipped is null) Require(e.State == _reference.StateDigest(e.Version.Step, State), $"the seal of step {e.Version.Step} names another state");
                break;
            case LayersFrozen e: OnCommand(e.CommandId, e.EffectiveStep); break;
            case LayersThawed e: OnCommand(e.CommandId, e.EffectiveStep); break;
            case RunPaused e: OnCommand(e.CommandId, e.EffectiveStep); break;
            case NodeDraining e: OnCommand(e.CommandId, null); break;
            case RunResumed e: OnCommand(e.CommandId, null); break;
            case ReplicaDiverged e:
                Require(Flipped is not null || CorruptNode is not null, $"no bit was flipped, but {e}");
                if (Flipped is not null) _divergences.Add(e);
                break;
            case DivergenceResolved e:
                if (Flipped is not null) _resolutions.Add(e);
                break;
            case StepRestarted: _restarts++; break;
            case CorruptionSuspected e:
                // A device that was given wrong parameters cannot compute right gradients.
                Require(Flipped is not null || e.IsUndecided || e.Device.Node == CorruptNode, $"{CorruptNode ?? "nobody"} computed wrongly, but {e} is suspected");
                break;
            case RunFinished e: OnFinished(e); break;
            case RunHalted e:
                // In a storm the others may be gone before they can outvote a corrupt device; a calm run must not end for it.
                Require(Flipped is not null || (CorruptNode is not null && _scenario.Faults.Kinds.Count > 0), $"no bit was flipped, but the run halted: {e.Reason}");
                HasHalted = true;
                break;
            default: break;
        }
        if (@event is ReplicasPlaced or ReplicaRecruited or ReplicaJoined or ReplicasRemoved) Changes++;
        State = State.Apply(@event);
    }

    /// <summary>A coordinator has decided a step.</summary>
    public void OnDecision(ApplyStep step, SimCoordinator coordinator) =>
        Require(State.Committed.Count >= step.Output.Step.Value - 1, $"{coordinator.Ref} decides step {step.Output.Step} while {State.Committed.Count} steps are durable");

    /// <summary>A replica is being started from something stored. A late message may bring one back that the run has given up: nobody counts on it.</summary>
    public void OnLoad(ReplicaEntityId replica, ReplicaSource source) =>
        Require(
            source.Blob is null ? source.Version.Step == Step.Zero
                : State.Seals.Any(s => s.Version == source.Version) || _divergences.Count > 0 || State.Replicas.All(r => r.Replica != replica.Replica),
            $"{replica} is loaded from {source.Version}, which is not sealed");

    /// <summary>A replica has another version.</summary>
    public void OnState(SimReplica replica, Lineage version)
    {
        // Until a divergence is found, and with it what was made from the replica whose bits were flipped.
        if (MayCommitsBeWrong || (Flipped is { } flipped && flipped.Shard == replica.EntityId.Shard && _divergences.Count == 0)) return;
        Require(version.Step.Value <= State.Committed.Count + 1, $"{replica.Ref} has {version}, {State.Committed.Count} steps are durable");
        var point = _reference.At(version.Step, State);
        Require(point.Version == version, $"{replica.Ref} has {version}, the history is {point.Version}");
        Require(
            point.Hashes[replica.EntityId.Shard.Value] == Arithmetic.HashOf(ReferenceFold.Flat(replica.State!)), $"{replica.Ref} has other bits than {version}");
    }

    /// <summary>The schedule is over: what was to be noticed was noticed.</summary>
    public void OnEnd()
    {
        if (!HasHalted) Require(State.Finished is not null && State.Finished.Version.Step.Value == _scenario.Steps, "the run ended without having finished");
        if (Flipped is not { } flipped) return;
        Require(HasHalted || _divergences.Count > 0 || _restarts > 0, $"a bit of {flipped.Shard}~{flipped.Replica} was flipped and nobody noticed");
        foreach (var divergence in _divergences)
        {
            Require(divergence.Shard == flipped.Shard && divergence.Findings.Any(f => f.Replica.Replica == flipped.Replica), $"{divergence} does not name {flipped}");
            if (!HasHalted) Require(_resolutions.Any(r => r.Shard == divergence.Shard && r.Input == divergence.Input), $"nobody found out who was wrong in {divergence}");
        }
        foreach (var resolution in _resolutions)
            Require(resolution.Wrong.Count == 1 && resolution.Wrong[0].Replica == flipped.Replica, $"{resolution} does not name {flipped} alone");
    }

    /// <inheritdoc/>
    public void Dispose() => _reference.Dispose();

    private static void Require(bool holds, string what)
    {
        if (!holds) throw new SimulationFailure(what);
    }

    private void OnCommit(StepCommitted e)
    {
        Require(e.Step.Value == State.Committed.Count + 1, $"step {e.Step} is committed after step {State.Committed.Count}");
        if (MayCommitsBeWrong) return;
        var expected = _reference.At(e.Step, State).Commit!;
        Require(e == expected, $"step {e.Step} is committed as {e}, the undisturbed run has {expected}");
    }

    private void OnPlaced(ReplicasPlaced e)
    {
        Require(State.VersionAt(e.From.Step) == e.From, $"replicas start at {e.From}, which is not committed");
        Require(e.From.Step == Step.Zero || State.Seals.Any(s => s.Version == e.From), $"replicas start at {e.From}, which is not sealed");
        Require(e.Placements.Select(p => p.Shard).Distinct().Count() == _scenario.Layout.Shards.Count, $"{e} leaves shards without a replica");
        foreach (var placement in e.Placements) UseNumber(placement.Replica);
        foreach (var shard in e.Placements.GroupBy(p => p.Shard))
            Require(shard.Select(p => p.Node).Distinct().Count() == shard.Count(), $"two replicas of {shard.Key} are on one node");
    }

    private void OnJoined(ReplicaJoined e)
    {
        Require(_recruited.Remove(e.Placement.Replica.Value, out var recruit) && recruit == e.Placement, $"{e.Placement} joins without having been recruited");
        Require(State.Replicas.All(r => r.Shard != e.Placement.Shard || r.Node != e.Placement.Node), $"two replicas of {e.Placement.Shard} are on {e.Placement.Node}");
    }

    private void OnCommand(string id, Step? effective)
    {
        Require(_commands.Add(id), $"command {id} is in the journal twice");
        if (effective is not { } step) return;
        Require(step.Value > State.Committed.Count, $"command {id} takes effect at step {step}, but {State.Committed.Count} steps are committed");
        Require(step > _reference.Last, $"command {id} takes effect at step {step}, which is decided already");
    }

    private void OnFinished(RunFinished e)
    {
        Require(e.Version == State.CommittedVersion && e.Version.Step.Value == _scenario.Steps, $"{e} after step {State.Committed.Count} of {_scenario.Steps}");
        Require(e.State == _reference.StateDigest(e.Version.Step, State), "the run finished with other bits than the undisturbed run");
    }

    private void UseNumber(ReplicaId replica) => Require(_replicaNumbers.Add(replica.Value), $"replica number {replica} is used twice");
}
