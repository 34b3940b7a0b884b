using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>One checkpoint on its way: which blobs are on storage.</summary>
/// <param name="version">The version.</param>
/// <param name="optimizerStep">Updates applied.</param>
/// <param name="shards">Number of shards.</param>
/// <param name="now">When it begins.</param>
public sealed class CheckpointRound(Lineage version, long optimizerStep, int shards, DateTime now)
{
    private readonly BlobReference?[] _blobs = new BlobReference?[shards];
    private int _written;

    /// <summary>The version.</summary>
    public Lineage Version { get; } = version;

    /// <summary>Updates applied.</summary>
    public long OptimizerStep { get; } = optimizerStep;

    /// <summary>Hash of the state once the manifest is on storage.</summary>
    public Digest256? State { get; set; }

    /// <summary>Whether the seal was given to the journal.</summary>
    public bool Sealing { get; set; }

    /// <summary>When something last happened.</summary>
    public DateTime LastProgress { get; set; } = now;

    /// <summary>Shards whose blob is not on storage yet.</summary>
    public IEnumerable<ShardId> Missing => Enumerable.Range(0, _blobs.Length).Where(i => _blobs[i] is null).Select(i => new ShardId(i));

    /// <summary>Whether every blob is on storage.</summary>
    public bool IsComplete => _written == _blobs.Length;

    /// <summary>Notes a blob that was written by <paramref name="now"/>; true when it was the last one.</summary>
    public bool Add(BlobWritten blob, DateTime now)
    {
        if (_blobs[blob.Shard.Value] is not null) return false;
        LastProgress = now;
        _blobs[blob.Shard.Value] = new BlobReference(blob.Shard, blob.Hash, blob.Bytes);
        return ++_written == _blobs.Length;
    }

    /// <summary>The manifest of the complete set.</summary>
    public CheckpointManifest Manifest(Digest256 planHash) =>
        new(Version.Step, Version.Digest, planHash, OptimizerStep, _blobs.Select(b => b!).ToList());
}
