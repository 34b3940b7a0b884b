using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Host.Nodes;

/// <summary>The parameters of a run as its checkpoints hold them.</summary>
public static class RunWeights
{
    /// <summary>The newest sealed checkpoint whose blobs are all good, of a run that may be running.</summary>
    /// <param name="session">The run.</param>
    /// <param name="say">A line for each newer checkpoint that was passed over.</param>
    /// <exception cref="BadInputException">There is none.</exception>
    public static CheckpointManifest Newest(RunSession session, Action<string> say)
    {
        var state = new JournalReader(session.Journal, session.Folder.Run).ReadState();
        var (newest, problems) = session.Definition.Checkpoints.NewestThatVerifies(
            session.Definition.PlanHash, manifest => state.Seals.Any(seal => seal.Version == manifest.Version && seal.State == manifest.StateDigest));
        foreach (string problem in problems) say(problem);
        return newest ?? throw new BadInputException($"--run-dir {session.Folder.Directory}", "no sealed checkpoint", "a run that has sealed one");
    }

    /// <summary>Reads the parameters of a checkpoint.</summary>
    /// <param name="definition">The run.</param>
    /// <param name="manifest">The checkpoint.</param>
    /// <returns>Flat parameters, for the caller to dispose.</returns>
    /// <exception cref="CorruptionException">A blob is not what its name says.</exception>
    public static NativeBuffer Read(RunDefinition definition, CheckpointManifest manifest) => CheckpointParameters.Read(definition, manifest);

    /// <summary>Reads the parameters of a checkpoint for decoding: never more than a shard is fp32 unless that is the format.</summary>
    /// <param name="definition">The run.</param>
    /// <param name="manifest">The checkpoint.</param>
    /// <param name="format">How to hold the matrices.</param>
    /// <returns>The weights, for the caller to dispose.</returns>
    /// <exception cref="CorruptionException">A blob is not what its name says.</exception>
    /// <exception cref="BadInputException">A value is too large for the format.</exception>
    public static ModelWeights Read(RunDefinition definition, CheckpointManifest manifest, WeightFormat format)
    {
        var weights = new ModelWeights(definition.Layout, format);
        CheckpointParameters.Read(definition, manifest, weights.Write);
        return weights;
    }
}
