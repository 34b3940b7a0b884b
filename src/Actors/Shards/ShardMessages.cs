using Akka.Actor;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>Carries a message to a replica's entity through Cluster Sharding.</summary>
/// <param name="EntityId"><see cref="ReplicaEntityId"/> as text.</param>
/// <param name="Message">The message.</param>
public sealed record ShardEnvelope(string EntityId, object Message);

/// <summary>Where a replica's state comes from.</summary>
/// <param name="Version">The version it holds after loading.</param>
/// <param name="Blob">The checkpoint's blob; null for the initial state, which is computed from the seed.</param>
/// <param name="BlobBytes">Size of the blob's file.</param>
public sealed record ReplicaSource(Lineage Version, Digest256? Blob, long BlobBytes)
{
    /// <summary>
    /// A living replica of the shard to copy instead: the new one takes whatever version the sibling has, says which with
    /// <see cref="ReplicaReady"/>, and follows it from then on. Null for a stored state.
    /// </summary>
    public SiblingSource? Sibling { get; init; }
}

/// <summary>A living replica that another one is made from.</summary>
/// <param name="Replica">Its number.</param>
/// <param name="DataPlane">Endpoint of its node's tensor server, host:port.</param>
/// <param name="Actor">Its entity.</param>
public sealed record SiblingSource(ReplicaId Replica, string DataPlane, IActorRef Actor);

/// <summary>A replica that followed its sibling is in the in-sync set: the coordinator's decisions and the devices' contributions are enough from now on.</summary>
/// <param name="Term">The sender's term.</param>
public sealed record AdmitReplica(Term Term);

/// <summary>What did you apply after this version? Asked again while nothing comes; to ask is to have later steps kept.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">The replica that asks: it was made from the one that is asked.</param>
/// <param name="Applied">The version that it has.</param>
public sealed record FollowStep(ShardId Shard, ReplicaId Replica, Lineage Applied);

/// <summary>The answer to <see cref="FollowStep"/>: an applied decision. A <see cref="ReplicaRefusal"/> instead says that it is not kept any more.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">The replica that was asked.</param>
/// <param name="Step">The decision, of whatever term: it holds for every replica.</param>
public sealed record SiblingStep(ShardId Shard, ReplicaId Replica, ApplyStep Step);

/// <summary>Bring a replica to life from a stored state or from a sibling's. Only the coordinator sends this; a replica that was never started refuses to serve.</summary>
/// <param name="Term">The sender's term.</param>
/// <param name="Run">The run.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">The replica's number.</param>
/// <param name="Source">Its state.</param>
/// <param name="ReplyTo">Where to send <see cref="ReplicaReady"/>.</param>
public sealed record StartReplica(Term Term, RunId Run, ShardId Shard, ReplicaId Replica, ReplicaSource Source, IActorRef ReplyTo);

/// <summary>A replica serves.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">Its number.</param>
/// <param name="Applied">The version it has.</param>
/// <param name="Actor">The entity.</param>
public sealed record ReplicaReady(ShardId Shard, ReplicaId Replica, Lineage Applied, IActorRef Actor);

/// <summary>A replica could not load its state, or not follow its sibling. It has ended.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">Its number.</param>
/// <param name="Reason">What is wrong.</param>
public sealed record ReplicaFailed(ShardId Shard, ReplicaId Replica, string Reason);

/// <summary>Obey this term and refuse lower ones; report how far you are.</summary>
/// <param name="Term">The new coordinator's term.</param>
public sealed record PromiseTerm(Term Term);

/// <summary>How far a replica is.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">Its number.</param>
/// <param name="Term">The term it promised.</param>
/// <param name="Applied">The version it has.</param>
/// <param name="Decision">What it applied last, so that a successor can finish a half-applied step; null right after loading.</param>
public sealed record ReplicaReport(ShardId Shard, ReplicaId Replica, Term Term, Lineage Applied, ApplyStep? Decision)
{
    /// <summary>The seal of the step that follows <see cref="Applied"/>; null while its sum is incomplete. Without it the replica cannot apply that step.</summary>
    public GradientSealed? Seal { get; init; }
}

/// <summary>The sum over all ranks of a shard's gradient is complete.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">The reporting replica.</param>
/// <param name="Input">The version the gradient was computed on.</param>
/// <param name="SumOfSquares">Of the sealed gradient, in double over fixed blocks.</param>
/// <param name="Finite">Whether every value is finite.</param>
/// <param name="GradientDigest">XxHash128 of the gradient's bytes.</param>
public sealed record GradientSealed(ShardId Shard, ReplicaId Replica, Lineage Input, double SumOfSquares, bool Finite, UInt128 GradientDigest)
{
    /// <summary>
    /// Checksum of the state at <see cref="Input"/>, from the update that led there; null where no update of this replica did (right after
    /// loading). Siblings that both have one must have the same.
    /// </summary>
    public ulong? StateChecksum { get; init; }

    /// <summary>The attempt at the step that the gradient was computed in.</summary>
    public Attempt Attempt { get; init; }
}

/// <summary>Ask a replica to send its <see cref="GradientSealed"/> again if it has one for this input version.</summary>
/// <param name="Term">The sender's term.</param>
/// <param name="Input">The version.</param>
public sealed record ReportSeal(Term Term, Lineage Input);

/// <summary>Apply a decided step. The same decision goes to every replica as bits; none computes it again.</summary>
/// <param name="Term">The sender's term.</param>
/// <param name="Input">The version to apply to.</param>
/// <param name="Output">The version that results.</param>
/// <param name="Decision">The journal's event for the step.</param>
/// <param name="ClipScale">Factor on the gradient.</param>
/// <param name="BiasCorrection1">1 - beta1^t.</param>
/// <param name="BiasCorrection2">1 - beta2^t.</param>
/// <param name="FrozenPrefix">K + 1 freezes the embedding and the layers 0 to K; 0 freezes nothing.</param>
/// <param name="DropMoments">Frozen shards set their moments to zero at this step.</param>
/// <param name="TokensPerExpert">Tokens routed to each expert in the step, row-major [MoE layer, expert].</param>
public sealed record ApplyStep(
    Term Term, Lineage Input, Lineage Output, Runs.StepCommitted Decision, float ClipScale, float BiasCorrection1, float BiasCorrection2,
    int FrozenPrefix, bool DropMoments, IReadOnlyList<long> TokensPerExpert)
{
    /// <summary>The attempt at the step whose sum is applied.</summary>
    public Attempt Attempt { get; init; }

    /// <summary>Decoupled weight decay, for parameters of two and more dimensions.</summary>
    public float WeightDecay { get; init; }

    /// <summary>A decision as replicas and the journal get it.</summary>
    /// <param name="term">The sender's term.</param>
    /// <param name="input">The version that it was decided on.</param>
    /// <param name="optimizerStep">Updates applied before it.</param>
    /// <param name="decision">What was decided.</param>
    /// <param name="frozenPrefix">The step's frozen prefix.</param>
    /// <param name="effective">Commands that take effect at this step.</param>
    public static ApplyStep From(
        Term term, Lineage input, long optimizerStep, Decisions.StepDecision decision, int frozenPrefix, IEnumerable<Runs.IStepCommand> effective)
    {
        var committed = new Runs.StepCommitted(
            decision.Step, decision.LossBits, decision.GradientNorm, decision.LearningRate, decision.Tokens, decision.Skipped,
            decision.Skipped ? optimizerStep : optimizerStep + 1, decision.Lineage)
        {
            MtpLoss = decision.MtpLoss,
            BalanceLoss = decision.BalanceLoss,
        };
        return new ApplyStep(
            term, input, new Lineage(decision.Step, decision.Lineage), committed, decision.ClipScale, decision.BiasCorrection1, decision.BiasCorrection2,
            frozenPrefix, effective.OfType<Runs.FreezeEntry>().Any(e => e.DropMoments), decision.TokensPerExpert)
        {
            WeightDecay = decision.WeightDecay,
        };
    }
}

/// <summary>A replica has applied a step.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">Its number.</param>
/// <param name="Applied">The version it has now.</param>
/// <param name="StateChecksum">Checksum of its state, taken in the optimizer's own pass.</param>
public sealed record StepApplied(ShardId Shard, ReplicaId Replica, Lineage Applied, ulong StateChecksum);

/// <summary>A message of a lower term, or of another history, was refused.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">Its number.</param>
/// <param name="Promised">The term that the replica obeys.</param>
/// <param name="Applied">The version it has.</param>
/// <param name="Reason">For people.</param>
public sealed record ReplicaRefusal(ShardId Shard, ReplicaId Replica, Term Promised, Lineage Applied, string Reason);

/// <summary>Copy your state at this version and have it written to storage.</summary>
/// <param name="Term">The sender's term.</param>
/// <param name="Version">The version.</param>
public sealed record SnapshotReplica(Term Term, Lineage Version);

/// <summary>End a replica that is no longer in a shard's in-sync set.</summary>
/// <param name="Term">The sender's term.</param>
public sealed record StopReplica(Term Term);
