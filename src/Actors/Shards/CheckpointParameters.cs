using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Shards;

/// <summary>The parameters that a checkpoint holds.</summary>
public static class CheckpointParameters
{
    /// <summary>Reads all of them.</summary>
    /// <returns>Flat parameters, for the caller to dispose.</returns>
    /// <exception cref="CorruptionException">A blob is not what its name says.</exception>
    public static NativeBuffer Read(RunDefinition run, CheckpointManifest manifest)
    {
        var parameters = new NativeBuffer(run.Layout.TotalLength);
        Read(run, manifest, (shard, values) => values.CopyTo(parameters.Slice(shard.Offset, shard.Length)));
        return parameters;
    }

    /// <summary>Hands them over shard by shard, so that never more than one shard's are in memory.</summary>
    /// <exception cref="CorruptionException">A blob is not what its name says.</exception>
    public static void Read(RunDefinition run, CheckpointManifest manifest, Action<ShardInfo, ReadOnlySpan<float>> take)
    {
        foreach (var blob in manifest.Blobs)
        {
            using var state = new ShardState(run.Layout, blob.Shard, run.Optimizer);
            state.Load(run.Checkpoints, blob);
            take(state.Info, state.Parameters.Span);
        }
    }
}
