using System.Collections.Immutable;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>A command that changes which layers are trained, as the journal has it.</summary>
/// <param name="EffectiveStep">The first step it affects.</param>
/// <param name="FrozenPrefix">As the model has it: K + 1 for the embedding and the layers 0 to K, 0 for none.</param>
/// <param name="DropMoments">Whether the frozen shards' moments are set to zero at that step.</param>
public sealed record FreezeEntry(Step EffectiveStep, int FrozenPrefix, bool DropMoments)
{
    /// <summary>The content that enters D(n): never client ids, senders or times.</summary>
    public string Content => FrozenPrefix == 0 ? "thaw" : $"freeze 0-{FrozenPrefix - 1} moments={(DropMoments ? "drop" : "keep")}";
}

/// <summary>
/// Everything the journal says about a run: a fold over its events, with no actor, clock or socket in sight. Commands are turned into
/// events by <see cref="RunRules"/>.
/// </summary>
public sealed record RunState
{
    /// <summary>Before the first event.</summary>
    public static readonly RunState Empty = new();

    /// <summary>The first event; null in an empty journal.</summary>
    public RunCreated? Created { get; init; }

    /// <summary>The newest coordinator.</summary>
    public CoordinatorStarted? Coordinator { get; init; }

    /// <summary>The newest placement of all replicas; null before the first.</summary>
    public ReplicasPlaced? Placed { get; init; }

    /// <summary>The in-sync sets, in shard order, each with its primary first.</summary>
    public ImmutableList<ReplicaPlacement> Replicas { get; init; } = [];

    /// <summary>The replicas that differ and nobody knows yet which is wrong; null if there are none.</summary>
    public ReplicaDiverged? Divergence { get; init; }

    /// <summary>The highest replica number used so far.</summary>
    public int LastReplica { get; init; }

    /// <summary>Every committed step in order: index i is step i + 1.</summary>
    public ImmutableList<StepCommitted> Committed { get; init; } = [];

    /// <summary>Every sealed checkpoint, oldest first.</summary>
    public ImmutableList<CheckpointSealed> Seals { get; init; } = [];

    /// <summary>Freezes and thaws in order of their effective steps.</summary>
    public ImmutableList<FreezeEntry> Freezes { get; init; } = [];

    /// <summary>Answers to commands already journaled, by client id.</summary>
    public ImmutableDictionary<string, CommandAnswer> Answers { get; init; } = ImmutableDictionary<string, CommandAnswer>.Empty;

    /// <summary>The first step that waits; null when not paused.</summary>
    public Step? PausedFrom { get; init; }

    /// <summary>The last end; null while more steps are wanted.</summary>
    public RunFinished? Finished { get; init; }

    /// <summary>Set when a replay differed.</summary>
    public RunHalted? Halted { get; init; }

    /// <summary>The newest committed version; D(0) before the first step.</summary>
    public Lineage CommittedVersion => Committed.Count == 0
        ? new Lineage(Step.Zero, Created?.Initial ?? default)
        : new Lineage(Committed[^1].Step, Committed[^1].Digest);

    /// <summary>The version after <paramref name="step"/> as the journal has it; null if not committed.</summary>
    public Lineage? VersionAt(Step step) =>
        step == Step.Zero ? new Lineage(Step.Zero, Created?.Initial ?? default)
        : step.Value <= Committed.Count ? new Lineage(step, Committed[(int)step.Value - 1].Digest)
        : null;

    /// <summary>What the journal says step <paramref name="step"/> committed; null if it has not.</summary>
    public StepCommitted? CommitOf(Step step) => step.Value >= 1 && step.Value <= Committed.Count ? Committed[(int)step.Value - 1] : null;

    /// <summary>The frozen prefix in a step: K + 1 for the embedding and the layers 0 to K, 0 for none.</summary>
    public int FrozenPrefixAt(Step step) => Freezes.LastOrDefault(f => f.EffectiveStep <= step)?.FrozenPrefix ?? 0;

    /// <summary>The commands that take effect exactly at a step, in journal order.</summary>
    public IReadOnlyList<FreezeEntry> EffectiveAt(Step step) => Freezes.Where(f => f.EffectiveStep == step).ToList();

    /// <summary>Folds one event in.</summary>
    /// <exception cref="ElasticTrainException">The event cannot follow this state: the journal is not what this program wrote.</exception>
    public RunState Apply(IRunEvent @event) => @event switch
    {
        RunCreated e => this with { Created = e },
        // A new term tries again what an earlier one halted at.
        CoordinatorStarted e => this with { Coordinator = e, Halted = null },
        ReplicasPlaced e => this with { Placed = e, Replicas = [.. e.Placements], LastReplica = Math.Max(LastReplica, e.Placements.Max(p => p.Replica.Value)) },
        ReplicaRecruited e => this with { LastReplica = Math.Max(LastReplica, e.Placement.Replica.Value) },
        ReplicaJoined e => this with { Replicas = Replicas.Insert(Replicas.FindLastIndex(p => p.Shard.Value <= e.Placement.Shard.Value) + 1, e.Placement) },
        ReplicasRemoved e => this with { Replicas = Replicas.RemoveAll(e.Replicas.Contains) },
        ReplicaDiverged e => this with { Divergence = e, Seals = Seals.RemoveAll(s => s.Version.Step >= e.SuspectFrom), Finished = null },
        DivergenceResolved => this with { Divergence = null },
        StepCommitted e when e.Step.Value == Committed.Count + 1 => this with { Committed = Committed.Add(e), Finished = null },
        StepCommitted e => throw new ElasticTrainException($"The journal commits step {e.Step} after step {Committed.Count}."),
        CheckpointSealed e => this with { Seals = Seals.Add(e) },
        CheckpointFailed => this,
        LayersFrozen e => WithFreeze(new FreezeEntry(e.EffectiveStep, e.LastLayer + 1, e.DropMoments), e.CommandId),
        LayersThawed e => WithFreeze(new FreezeEntry(e.EffectiveStep, 0, false), e.CommandId),
        RunPaused e => WithAnswer(e.CommandId, $"paused before step {e.EffectiveStep}", e.EffectiveStep) with { PausedFrom = e.EffectiveStep },
        RunResumed e => WithAnswer(e.CommandId, "resumed", null) with { PausedFrom = null },
        CommandNoted e => WithAnswer(e.CommandId, e.Message, e.EffectiveStep),
        RunFinished e => this with { Finished = e },
        RunHalted e => this with { Halted = e },
        _ => throw new ElasticTrainException($"The journal holds an event of type {@event.GetType().Name}, which this version does not know."),
    };

    private RunState WithFreeze(FreezeEntry entry, string commandId) =>
        WithAnswer(commandId, $"{entry.Content} from step {entry.EffectiveStep} on", entry.EffectiveStep)
            with
        { Freezes = Freezes.Add(entry) };

    private RunState WithAnswer(string commandId, string message, Step? step) =>
        this with { Answers = Answers.SetItem(commandId, new CommandAnswer(true, message, step)) };
}
