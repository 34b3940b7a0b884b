using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Freezing;

/// <summary>
/// Looks at a run's newest stored checkpoint: what its layers make of a fixed batch of held-out text, compared with what those of the first snapshot looked at made of it. Only the
/// reference's similarity matrices are kept, not its parameters: the batch never changes. Takes no part in the run, and may be slow.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="rows">Sequences in the batch.</param>
public sealed class SnapshotProbe(RunDefinition run, int rows)
{
    private SimilarityMatrix[]? _reference;
    private Step? _last;

    /// <summary>How far each layer is from the reference; null where there is no newer checkpoint than the last time, or it is the reference itself. Blocks.</summary>
    public IReadOnlyList<double>? Look()
    {
        var (manifest, _) = run.Checkpoints.NewestThatVerifies(run.PlanHash, _ => true);
        if (manifest is null || manifest.Step == _last) return null;
        _last = manifest.Step;
        var matrices = new SimilarityMatrix[run.Layout.Config.NumHiddenLayers];
        using (var parameters = Shards.CheckpointParameters.Read(run, manifest))
        using (var model = new ModelReplica(run.Layout, parameters, run.Plan.Numerics.Compute))
        {
            var batch = run.Corpus.ValidationBatches(run.Plan.Batch.SequenceLength, rows).First();
            model.ObserveLayers(batch, (layer, values) => matrices[layer] = new SimilarityMatrix(values, batch.Rows));
        }
        if (_reference is null)
        {
            _reference = matrices;
            return null;
        }
        return [.. matrices.Select((matrix, layer) => matrix.Loss(_reference[layer]))];
    }
}
