using System.Text.Json.Serialization;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>A fact in a run's journal. The run is a fold over these; tensors are never among them.</summary>
public interface IRunEvent;

/// <summary>The first event of every journal: what the run is.</summary>
/// <param name="Run">The run's identity.</param>
/// <param name="PlanHash">Canonical hash of everything in the plan that can change bits, the content of the data included.</param>
/// <param name="NumericsClass">Golden-probe hash of the node that made the run; nodes of another class are refused.</param>
/// <param name="Initial">D(0).</param>
public sealed record RunCreated(RunId Run, Digest256 PlanHash, Digest256 NumericsClass, Digest256 Initial) : IRunEvent;

/// <summary>A coordinator took office. Replicas promise its term and refuse lower ones.</summary>
/// <param name="Term">One above the highest in the journal.</param>
/// <param name="Node">The node's name.</param>
/// <param name="Pid">Its process id.</param>
public sealed record CoordinatorStarted(Term Term, string Node, int Pid) : IRunEvent;

/// <summary>One replica of a shard and where it lives.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">Its never-reused number.</param>
/// <param name="Node">The node's name and incarnation.</param>
public sealed record ReplicaPlacement(ShardId Shard, ReplicaId Replica, NodeId Node);

/// <summary>The in-sync sets of all shards were made anew from one stored state; the first replica of a shard is its primary.</summary>
/// <param name="From">The version that the replicas start at: D(0) or a sealed checkpoint.</param>
/// <param name="Placements">All replicas, in shard order.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record ReplicasPlaced(Lineage From, IReadOnlyList<ReplicaPlacement> Placements, string Reason) : IRunEvent;

/// <summary>A replica is being made from a living sibling; it is in no in-sync set yet. Durable before the replica is started, so that its number is never used again.</summary>
/// <param name="Placement">The new replica.</param>
/// <param name="Sibling">The replica that it copies and follows.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record ReplicaRecruited(ReplicaPlacement Placement, ReplicaId Sibling, string Reason) : IRunEvent;

/// <summary>A recruited replica has its sibling's state and the gradient of the step in progress: it is in sync from now on.</summary>
/// <param name="Placement">The replica.</param>
/// <param name="Version">The version at which its state was found equal.</param>
public sealed record ReplicaJoined(ReplicaPlacement Placement, Lineage Version) : IRunEvent;

/// <summary>Replicas left their in-sync sets; of each shard at least one stays.</summary>
/// <param name="Replicas">The replicas, in shard order.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record ReplicasRemoved(IReadOnlyList<ReplicaPlacement> Replicas, string Reason) : IRunEvent;

/// <summary>What one replica said of a step.</summary>
/// <param name="Replica">The replica and its node.</param>
/// <param name="GradientDigest">XxHash128 of its sum of the step's gradient.</param>
/// <param name="StateChecksum">Checksum of the state that the step starts from; null where none was taken.</param>
public sealed record ReplicaFinding(ReplicaPlacement Replica, UInt128 GradientDigest, ulong? StateChecksum);

/// <summary>
/// Replicas of one shard do not have the same bits. Nothing of the step was decided; all replicas start anew from a checkpoint from before the
/// difference can have arisen, and the replay shows which of them was wrong.
/// </summary>
/// <param name="Shard">The shard.</param>
/// <param name="Input">The version that the step starts from.</param>
/// <param name="Findings">What each of them said.</param>
public sealed record ReplicaDiverged(ShardId Shard, Lineage Input, IReadOnlyList<ReplicaFinding> Findings) : IRunEvent
{
    /// <summary>Checkpoints from this step on may hold the difference: it shows in the checksum of the update after it, and a copy may have been taken before that.</summary>
    [JsonIgnore]
    public Step SuspectFrom => new(Math.Max(0, Input.Step.Value - 1));
}

/// <summary>A piece of a gradient that was computed with different bits.</summary>
/// <param name="Shard">The shard that holds it; null for what a rank reports besides its gradient.</param>
/// <param name="Tensor">Its name.</param>
/// <param name="Expected">XxHash3-64 of the right bits, or of another device's where nobody knows.</param>
/// <param name="Found">Of the suspected computation's.</param>
public sealed record TensorFinding(ShardId? Shard, string Tensor, ulong Expected, ulong Found);

/// <summary>A rank was computed several times, and one computation has other bits than the others.</summary>
/// <param name="Input">The version that the step starts from.</param>
/// <param name="Attempt">The attempt at the step.</param>
/// <param name="Rank">The rank; the first one of a block whose late contribution differs.</param>
/// <param name="Computation">Which of the rank's computations in this attempt, in the order of their results: 0 for the first.</param>
/// <param name="Device">The suspected device and its node.</param>
/// <param name="Tensors">The first pieces that differ; none where a contribution was refused as a whole.</param>
/// <param name="TensorCount">How many differ.</param>
public sealed record CorruptionSuspected(
    Lineage Input, Attempt Attempt, RankId Rank, int Computation, DeviceId Device, IReadOnlyList<TensorFinding> Tensors, int TensorCount) : IRunEvent
{
    /// <summary>Whether nobody can tell which device is right: then each of them is suspected, and the run halts.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsUndecided { get; init; }

    /// <summary>In one line.</summary>
    public override string ToString()
    {
        string where = $"{Device}, step {Input.Step.Next}, rank {Rank}, computation {Computation} of attempt {Attempt}";
        string other = IsUndecided ? "elsewhere" : "expected";
        return Tensors.Count == 0 ? $"{where}: its contribution differs"
            : $"{where}: {string.Join(", ", Tensors.Select(t => $"{(t.Shard is { } shard ? $"{shard} " : "")}{t.Tensor} is {t.Found:x16}, {other} {t.Expected:x16}"))}{(TensorCount > Tensors.Count ? $", and {TensorCount - Tensors.Count} more" : "")}";
    }
}

/// <summary>What was contributed to a step was thrown away, and all its ranks are computed again. Nothing of it had been decided.</summary>
/// <param name="Input">The version that the step starts from.</param>
/// <param name="Attempt">The attempt that was given up.</param>
/// <param name="Reason">Why, for people.</param>
public sealed record StepRestarted(Lineage Input, Attempt Attempt, string Reason) : IRunEvent;

/// <summary>The replay has shown which replicas had diverged.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Input">The version in question.</param>
/// <param name="Wrong">Those whose bits were not the replay's.</param>
public sealed record DivergenceResolved(ShardId Shard, Lineage Input, IReadOnlyList<ReplicaPlacement> Wrong) : IRunEvent;

/// <summary>A step's update is decided and durable.</summary>
/// <param name="Step">The step.</param>
/// <param name="LossBits">Bits of the fp32 mean loss over the step's unmasked tokens, nats.</param>
/// <param name="GradientNorm">Global L2 norm before clipping.</param>
/// <param name="LearningRate">As applied.</param>
/// <param name="Tokens">Unmasked tokens of the step.</param>
/// <param name="Skipped">The gradient was not finite, so the update was skipped.</param>
/// <param name="OptimizerStep">Updates applied so far: t of the bias corrections.</param>
/// <param name="Digest">D(step).</param>
public sealed record StepCommitted(
    Step Step, uint LossBits, float GradientNorm, float LearningRate, long Tokens, bool Skipped, long OptimizerStep, Digest256 Digest) : IRunEvent
{
    /// <summary>The prediction module's mean loss per prediction, nats. 0, and absent from the journal, without a module; journals from before it was recorded lack it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public float MtpLoss { get; init; }

    /// <summary>The balance loss, likewise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public float BalanceLoss { get; init; }
}

/// <summary>A checkpoint is complete on storage. One without this event does not exist.</summary>
/// <param name="Version">The version it holds.</param>
/// <param name="State">SHA-256 over the blobs in shard order: the state's identity.</param>
/// <param name="OptimizerStep">Updates applied.</param>
public sealed record CheckpointSealed(Lineage Version, Digest256 State, long OptimizerStep) : IRunEvent;

/// <summary>A checkpoint could not be written; the one before it stays the newest.</summary>
/// <param name="Step">The step it was for.</param>
/// <param name="Reason">What went wrong.</param>
public sealed record CheckpointFailed(Step Step, string Reason) : IRunEvent;

/// <summary>From a step on, the embedding and the layers up to one are not trained.</summary>
/// <param name="CommandId">The client's id: the same command twice is one command.</param>
/// <param name="Sender">Who asked.</param>
/// <param name="EffectiveStep">The first step it affects.</param>
/// <param name="LastLayer">The highest frozen layer.</param>
/// <param name="DropMoments">Whether the frozen shards' Adam moments are set to zero.</param>
public sealed record LayersFrozen(string CommandId, string Sender, Step EffectiveStep, int LastLayer, bool DropMoments) : IRunEvent;

/// <summary>From a step on, everything is trained again.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asked.</param>
/// <param name="EffectiveStep">The first step it affects.</param>
public sealed record LayersThawed(string CommandId, string Sender, Step EffectiveStep) : IRunEvent;

/// <summary>From a step on, the plan's optimizer has other settings.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asked.</param>
/// <param name="EffectiveStep">The first step it affects.</param>
/// <param name="Settings">Key and value, normalized.</param>
public sealed record PlanAmended(string CommandId, string Sender, Step EffectiveStep, IReadOnlyList<PlanSetting> Settings) : IRunEvent;

/// <summary>From a step on, samples come from other data, or from these as well.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asked.</param>
/// <param name="EffectiveStep">The first step it affects.</param>
/// <param name="Data">Where they are, and the hash of what is there.</param>
/// <param name="Replace">Whether they take the place of what samples came from until then.</param>
public sealed record DataAttached(string CommandId, string Sender, Step EffectiveStep, DataSource Data, bool Replace) : IRunEvent;

/// <summary>No step from the named one on is granted until the run is resumed.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asked.</param>
/// <param name="EffectiveStep">The first step that waits.</param>
public sealed record RunPaused(string CommandId, string Sender, Step EffectiveStep) : IRunEvent;

/// <summary>A node is told to go: it gets no new work, its replicas move to others, then it leaves.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asked.</param>
/// <param name="Node">The node.</param>
/// <param name="ForGood">Whether it is not to be started again.</param>
public sealed record NodeDraining(string CommandId, string Sender, NodeId Node, bool ForGood) : IRunEvent;

/// <summary>The run goes on.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asked.</param>
public sealed record RunResumed(string CommandId, string Sender) : IRunEvent;

/// <summary>A command that changes nothing was accepted. Remembered, so that a late copy of it, when it would change something, changes nothing either.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asked.</param>
/// <param name="Message">What was answered.</param>
/// <param name="EffectiveStep">The step that was named in the answer, if any.</param>
public sealed record CommandNoted(string CommandId, string Sender, string Message, Step? EffectiveStep) : IRunEvent;

/// <summary>The run reached its last step and sealed its final checkpoint. More steps may follow when a later command line asks for them.</summary>
/// <param name="Version">The final version.</param>
/// <param name="State">SHA-256 of the final state.</param>
public sealed record RunFinished(Lineage Version, Digest256 State) : IRunEvent;

/// <summary>A replay came out differently from the journal, or a component found bits that cannot be: the run stops.</summary>
/// <param name="Step">The step that differs.</param>
/// <param name="Reason">What was found and what the journal says.</param>
public sealed record RunHalted(Step Step, string Reason) : IRunEvent;
