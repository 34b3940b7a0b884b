namespace ElasticTrain.Model;

/// <summary>How large a model is and what it costs, from its layout alone.</summary>
/// <param name="layout">The layout.</param>
public sealed class ModelSize(ParameterLayout layout)
{
    private readonly ModelConfig _config = layout.Config;

    /// <summary>All parameters but the prediction module's; router biases are no parameters of the network's function and do not count.</summary>
    public long Total { get; } = layout.Parameters.Where(p => IsCounted(p) && !IsPrediction(layout.Config, p)).Sum(p => p.Length);

    /// <summary>Parameters of the prediction module, without the embedding and head that it shares.</summary>
    public long Prediction { get; } = layout.Parameters.Where(p => IsCounted(p) && IsPrediction(layout.Config, p)).Sum(p => p.Length);

    /// <summary>Parameters that one token passes through, without the embedding, of which it takes one row, and without the prediction module.</summary>
    public long Active { get; } = layout.Parameters.Where(p => IsCounted(p) && p.Layer >= 0 && !IsPrediction(layout.Config, p)).Sum(p => p.Expert < 0 ? p.Length
        : p.Expert < layout.Config.NumExpertsPerTok ? p.Length : 0);

    /// <summary>Floating-point operations of one token's forward pass: two for each active weight, and attention over half the sequence on average.</summary>
    /// <param name="length">Positions per sequence.</param>
    public double ForwardFlops(int length) =>
        (2.0 * Active) + (_config.NumHiddenLayers * (double)_config.NumAttentionHeads * (_config.QkHeadDim + _config.VHeadDim) * length);

    /// <summary>Floating-point operations of one token in training: backward costs twice the forward pass.</summary>
    /// <param name="length">Positions per sequence.</param>
    public double TrainingFlops(int length) => 3 * ForwardFlops(length);

    /// <summary>About how many bytes forward leaves for backward.</summary>
    /// <param name="rows">Sequences in a micro-batch.</param>
    /// <param name="length">Positions per sequence.</param>
    /// <param name="recompute">Whether only the layers' inputs are kept, and what one layer leaves exists while its backward pass runs.</param>
    public double ActivationBytes(int rows, int length, bool recompute = false)
    {
        double[] perToken = [.. Enumerable.Range(0, _config.NumHiddenLayers + _config.NumNextnPredictLayers)
            .Select(layer => Attention() + (_config.IsMoe(layer) ? Experts() : 2.0 * _config.IntermediateSize))];
        return 4.0 * rows * length * (recompute ? perToken.Max() + (_config.NumHiddenLayers * (double)_config.HiddenSize) : perToken.Sum());
    }

    /// <summary>The residual stream before each half; what the down-projection gives, queries, the heads' results.</summary>
    private double Attention()
    {
        ModelConfig c = _config;
        double queries = c.NumAttentionHeads * (double)c.QkHeadDim;
        return (2.0 * c.HiddenSize) + (c.QLoraRank is { } rank ? rank + queries : queries) + c.KvLoraRank + c.QkRopeHeadDim
            + (c.NumAttentionHeads * (double)c.VHeadDim);
    }

    private double Experts() => _config.NRoutedExperts + (_config.NumExpertsPerTok * (1 + (2.0 * _config.MoeIntermediateSize)))
        + (2.0 * _config.NSharedExperts * _config.MoeIntermediateSize);

    private static bool IsCounted(ParameterInfo p) => p.Kind != ParameterKind.RouterBias;

    private static bool IsPrediction(ModelConfig config, ParameterInfo p) =>
        p.Name.StartsWith(ModelConfig.LayerPrefix(config.NumHiddenLayers), StringComparison.Ordinal);
}
