using System.Collections.Immutable;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

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

    /// <summary>Nodes that were told to go, and whether for good. A node that comes back is another one.</summary>
    public ImmutableDictionary<NodeId, bool> Draining { get; init; } = ImmutableDictionary<NodeId, bool>.Empty;

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

    /// <summary>Amendments of the plan in order of their effective steps.</summary>
    public ImmutableList<AmendmentEntry> Amendments { get; init; } = [];

    /// <summary>Attached data in order of their effective steps.</summary>
    public ImmutableList<AttachmentEntry> Attachments { get; init; } = [];

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

    /// <summary>The plan in a step: the run's own with the amendments that hold by then.</summary>
    /// <param name="plan">The plan that the run was made with.</param>
    /// <param name="step">The step.</param>
    public Plan PlanAt(Plan plan, Step step) =>
        Amendments.TakeWhile(a => a.EffectiveStep <= step).Aggregate(plan, (amended, a) => PlanAmendment.Apply(amended, a.Settings));

    /// <summary>Whether a shard has moments after a step.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="step">The step.</param>
    public bool HasMoments(ShardInfo shard, Step step)
    {
        bool has = true;
        foreach (var sameStep in Freezes.TakeWhile(f => f.EffectiveStep <= step).GroupBy(f => f.EffectiveStep))
            has = !ParameterLayout.IsFrozen(shard, sameStep.Last().FrozenPrefix) || (has && !sameStep.Any(f => f.DropMoments));
        return has;
    }

    /// <summary>Where a step's samples come from; null for the data that the run was made with.</summary>
    public StepData? DataAt(Step step)
    {
        StepData? data = null;
        foreach (var attached in Attachments.TakeWhile(a => a.EffectiveStep <= step))
            data = new StepData(attached.EffectiveStep, attached.Replace ? [attached.Data] : [.. data?.Sources ?? [new DataSource(default, null)], attached.Data]);
        return data;
    }

    /// <summary>The commands that take effect exactly at a step: freezes and thaws, amendments, attached data, each kind in journal order. Kinds do not touch each other.</summary>
    public IReadOnlyList<IStepCommand> EffectiveAt(Step step) =>
        [.. ((IEnumerable<IStepCommand>)[.. Freezes, .. Amendments, .. Attachments]).Where(c => c.EffectiveStep == step)];

    /// <summary>Amendments and attached data for people: those that hold in a step, and those that wait for a later one.</summary>
    public IReadOnlyList<string> CommandsFor(Step step) =>
    [
        .. Amendments.Select(a => $"{(a.EffectiveStep <= step ? "amended" : "to be amended")} from step {a.EffectiveStep} on: {string.Join(", ", a.Settings)}"),
        .. Attachments.Select(a => $"{(a.EffectiveStep <= step ? "data" : "data to come")} from step {a.EffectiveStep} on: {a.Data.Path} (content {a.Data.Content.Short}){(a.Replace ? "" : " as well")}"),
    ];

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
        CorruptionSuspected or StepRestarted => this,
        DivergenceResolved => this with { Divergence = null },
        StepCommitted e when e.Step.Value == Committed.Count + 1 => this with { Committed = Committed.Add(e), Finished = null },
        StepCommitted e => throw new ElasticTrainException($"The journal commits step {e.Step} after step {Committed.Count}."),
        CheckpointSealed e => this with { Seals = Seals.Add(e) },
        CheckpointFailed => this,
        LayersFrozen e => WithFreeze(new FreezeEntry(e.EffectiveStep, e.LastLayer + 1, e.DropMoments), e.CommandId),
        LayersThawed e => WithFreeze(new FreezeEntry(e.EffectiveStep, 0, false), e.CommandId),
        PlanAmended e when new AmendmentEntry(e.EffectiveStep, e.Settings) is var entry => Answered(entry, e.CommandId) with { Amendments = Amendments.Add(entry) },
        DataAttached e when new AttachmentEntry(e.EffectiveStep, e.Data, e.Replace) is var entry => Answered(entry, e.CommandId) with { Attachments = Attachments.Add(entry) },
        NodeDraining e => WithAnswer(e.CommandId, $"{e.Node.Name} drains: its replicas move to other nodes", null) with { Draining = Draining.SetItem(e.Node, e.ForGood) },
        RunPaused e => WithAnswer(e.CommandId, $"paused before step {e.EffectiveStep}", e.EffectiveStep) with { PausedFrom = e.EffectiveStep },
        RunResumed e => WithAnswer(e.CommandId, "resumed", null) with { PausedFrom = null },
        CommandNoted e => WithAnswer(e.CommandId, e.Message, e.EffectiveStep),
        RunFinished e => this with { Finished = e },
        RunHalted e => this with { Halted = e },
        _ => throw new ElasticTrainException($"The journal holds an event of type {@event.GetType().Name}, which this version does not know."),
    };

    private RunState WithFreeze(FreezeEntry entry, string commandId) => Answered(entry, commandId) with { Freezes = Freezes.Add(entry) };

    private RunState Answered(IStepCommand entry, string commandId) =>
        WithAnswer(commandId, $"{entry.Content} from step {entry.EffectiveStep} on", entry.EffectiveStep);

    private RunState WithAnswer(string commandId, string message, Step? step) =>
        this with { Answers = Answers.SetItem(commandId, new CommandAnswer(true, message, step)) };
}
