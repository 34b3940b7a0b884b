using ElasticTrain.Core;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>A blob: the state of one shard, stored under the hash of its content.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Hash">SHA-256 of the blob file.</param>
/// <param name="Bytes">Size of the blob file.</param>
public sealed record BlobReference(ShardId Shard, Digest256 Hash, long Bytes);

/// <summary>One checkpoint: the complete state after a step. It counts only once its seal is in the journal.</summary>
/// <param name="Step">The step after which the state was taken.</param>
/// <param name="Lineage">D(step).</param>
/// <param name="PlanHash">Hash of the plan that the run computes.</param>
/// <param name="OptimizerStep">Updates applied so far; skipped steps do not count.</param>
/// <param name="Blobs">One for each shard, in ascending shard order.</param>
public sealed record CheckpointManifest(Step Step, Digest256 Lineage, Digest256 PlanHash, long OptimizerStep, IReadOnlyList<BlobReference> Blobs)
{
    /// <summary>The version that the checkpoint holds.</summary>
    public Lineage Version => new(Step, Lineage);

    /// <summary>
    /// The SHA-256 of the state: over shard number and blob hash, in shard order. Two equal states have equal digests, whatever the step
    /// or the run.
    /// </summary>
    public Digest256 StateDigest
    {
        get
        {
            using var builder = new DigestBuilder();
            foreach (var blob in Blobs) builder.Add(blob.Shard.Value).Add(blob.Hash);
            return builder.Finish();
        }
    }

    /// <summary>Two manifests are equal if everything in them is.</summary>
    public bool Equals(CheckpointManifest? other) =>
        other is not null && Step == other.Step && Lineage == other.Lineage && PlanHash == other.PlanHash
        && OptimizerStep == other.OptimizerStep && Blobs.SequenceEqual(other.Blobs);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Step, Lineage, PlanHash);
}
