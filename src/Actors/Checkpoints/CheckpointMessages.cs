using Akka.Actor;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>A copy of a replica's state at one version, to be written to storage. Stays inside its node.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Version">The version.</param>
/// <param name="Parameters">fp32 parameters.</param>
/// <param name="Moment1">Adam's first moment.</param>
/// <param name="Moment2">Adam's second moment.</param>
/// <param name="ReplyTo">Where <see cref="BlobWritten"/> or <see cref="BlobFailed"/> goes.</param>
public sealed record WriteBlob(
    ShardId Shard, Lineage Version, NativeBuffer Parameters, NativeBuffer Moment1, NativeBuffer Moment2, IActorRef ReplyTo);

/// <summary>A shard's blob is on storage.</summary>
/// <param name="Version">The version.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Hash">SHA-256 of the file.</param>
/// <param name="Bytes">Size of the file.</param>
public sealed record BlobWritten(Lineage Version, ShardId Shard, Digest256 Hash, long Bytes);

/// <summary>A shard's blob could not be written.</summary>
/// <param name="Version">The version.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Reason">What went wrong.</param>
public sealed record BlobFailed(Lineage Version, ShardId Shard, string Reason);

/// <summary>All blobs are there: write the manifest.</summary>
/// <param name="Manifest">The manifest.</param>
/// <param name="ReplyTo">Where <see cref="ManifestWritten"/> or <see cref="BlobFailed"/> goes.</param>
public sealed record WriteManifest(CheckpointManifest Manifest, IActorRef ReplyTo);

/// <summary>A manifest is on storage; the seal may be journaled.</summary>
/// <param name="Version">The version.</param>
/// <param name="State">SHA-256 over the blobs.</param>
public sealed record ManifestWritten(Lineage Version, Digest256 State);

/// <summary>A seal is durable: older checkpoints may go.</summary>
/// <param name="Sealed">The sealed versions, newest last.</param>
public sealed record CollectCheckpoints(IReadOnlyList<Lineage> Sealed);
