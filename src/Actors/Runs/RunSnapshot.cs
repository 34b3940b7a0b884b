using System.Collections.Immutable;

namespace ElasticTrain.Actors.Runs;

/// <summary>A <see cref="RunState"/> as the snapshot store keeps it, so that a long journal need not be read from its beginning.</summary>
public sealed record RunSnapshot(
    RunCreated? Created, CoordinatorStarted? Coordinator, ReplicasPlaced? Placed, int LastReplica, IReadOnlyList<StepCommitted> Committed,
    IReadOnlyList<CheckpointSealed> Seals, IReadOnlyList<FreezeEntry> Freezes, IReadOnlyDictionary<string, CommandAnswer> Answers,
    Core.Step? PausedFrom, RunFinished? Finished, RunHalted? Halted)
{
    /// <summary>The in-sync sets; null in snapshots from before there were several replicas of a shard.</summary>
    public IReadOnlyList<ReplicaPlacement>? Replicas { get; init; }

    /// <summary>Nodes that were told to go; snapshots from before there were any lack them.</summary>
    public IReadOnlyList<DrainingNode> Draining { get; init; } = [];

    /// <summary>An open difference between replicas.</summary>
    public ReplicaDiverged? Divergence { get; init; }

    /// <summary>Amendments of the plan; snapshots from before there were any lack them.</summary>
    public IReadOnlyList<AmendmentEntry> Amendments { get; init; } = [];


    /// <summary>Attached data, likewise.</summary>
    public IReadOnlyList<AttachmentEntry> Attachments { get; init; } = [];

    /// <summary>The snapshot of a state.</summary>
    public static RunSnapshot Of(RunState state) => new(
        state.Created, state.Coordinator, state.Placed, state.LastReplica, state.Committed, state.Seals, state.Freezes, state.Answers,
        state.PausedFrom, state.Finished, state.Halted)
    {
        Replicas = state.Replicas,
        Divergence = state.Divergence,
        Draining = [.. state.Draining.Select(d => new DrainingNode(d.Key, d.Value))],
        Amendments = state.Amendments,
        Attachments = state.Attachments,
    };

    /// <summary>The state that was saved.</summary>
    public RunState ToState() => RunState.Empty with
    {
        Created = Created,
        Coordinator = Coordinator,
        Placed = Placed,
        Replicas = [.. Replicas ?? Placed?.Placements ?? []],
        Divergence = Divergence,
        Draining = Draining.ToImmutableDictionary(d => d.Node, d => d.ForGood),
        LastReplica = LastReplica,
        Committed = [.. Committed],
        Seals = [.. Seals],
        Freezes = [.. Freezes],
        Amendments = [.. Amendments],
        Attachments = [.. Attachments],
        Answers = Answers.ToImmutableDictionary(),
        PausedFrom = PausedFrom,
        Finished = Finished,
        Halted = Halted,
    };
}

/// <summary>A node that was told to go.</summary>
/// <param name="Node">The node.</param>
/// <param name="ForGood">Whether it is not to be started again.</param>
public sealed record DrainingNode(NodeId Node, bool ForGood);
