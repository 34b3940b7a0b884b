using System.Globalization;
using System.Text;

namespace ElasticTrain.Model;

/// <summary>
/// The sizes and constants of a DeepSeek-V2 or V3 network, named after the Hugging Face configuration. Sources: DeepSeek-AI, "DeepSeek-V3 Technical
/// Report", arXiv:2412.19437, sections 2.1, 2.2 and 4.2; "DeepSeek-V2", arXiv:2405.04434, section 2.
/// </summary>
public sealed partial record ModelConfig
{
    /// <summary>Number of token ids.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the SwiGLU in the dense layers.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Width of the SwiGLU of one expert.</summary>
    public required int MoeIntermediateSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int NumHiddenLayers { get; init; }

    /// <summary>Number of attention heads.</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Routed experts of a mixture-of-experts layer.</summary>
    public required int NRoutedExperts { get; init; }

    /// <summary>Shared experts, built as one SwiGLU of this many times the expert width; 0 for none.</summary>
    public int NSharedExperts { get; init; } = 1;

    /// <summary>Routed experts chosen for each token.</summary>
    public required int NumExpertsPerTok { get; init; }

    /// <summary>The first layers, this many, are dense.</summary>
    public int FirstKDenseReplace { get; init; } = 1;

    /// <summary>Behind the dense layers, the layers whose index this divides have routed experts; the others are dense.</summary>
    public int MoeLayerFreq { get; init; } = 1;

    /// <summary>How a token's affinity to the experts comes from the logits.</summary>
    public ScoringFunc ScoringFunc { get; init; } = ScoringFunc.Sigmoid;

    /// <summary>How a token's experts are selected from the affinities.</summary>
    public TopkMethod TopkMethod { get; init; } = TopkMethod.NoauxTc;

    /// <summary>Groups that the routed experts are divided into.</summary>
    public int NGroup { get; init; } = 1;

    /// <summary>Groups that a token's experts may come from.</summary>
    public int TopkGroup { get; init; } = 1;

    /// <summary>Factor on the weights of the routed experts.</summary>
    public double RoutedScalingFactor { get; init; } = 1.0;

    /// <summary>Whether the weights of the chosen experts are divided by their sum.</summary>
    public bool NormTopkProb { get; init; } = true;

    /// <summary>Width of the query latent; null for queries without compression.</summary>
    public int? QLoraRank { get; init; }

    /// <summary>Width of the key-value latent.</summary>
    public required int KvLoraRank { get; init; }

    /// <summary>Dimensions of a query and key that carry the position.</summary>
    public required int QkRopeHeadDim { get; init; }

    /// <summary>Dimensions of a query and key that do not.</summary>
    public required int QkNopeHeadDim { get; init; }

    /// <summary>Dimensions of a value.</summary>
    public required int VHeadDim { get; init; }

    /// <summary>Added to the mean square in RMSNorm. The two norms inside attention use 1e-6 whatever this says, as upstream does.</summary>
    public double RmsNormEps { get; init; } = 1e-6;

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>Standard deviation of freshly drawn weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Longest sequence.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>YaRN's stretching of the rotary frequencies; null for none.</summary>
    public YarnScaling? RopeScaling { get; init; }

    /// <summary>How far the router bias of an expert moves in a step against its load (gamma in sections 2.1.2 and 4.2 of the report).</summary>
    public double BiasUpdateSpeed { get; init; } = 0.001;

    /// <summary>Weight of the balance loss (alpha in equation 17 of the report); 0 for none.</summary>
    public double AuxLossAlpha { get; init; }

    /// <summary>Whether the balance loss looks at each sequence by itself; otherwise at the whole micro-batch.</summary>
    public bool SeqAux { get; init; } = true;

    /// <summary>Multi-token prediction modules: 0 or 1. The module is layer <see cref="NumHiddenLayers"/> of the checkpoint.</summary>
    public int NumNextnPredictLayers { get; init; }

    /// <summary>Which hidden state of the main model the prediction module takes.</summary>
    public MtpInput MtpInput { get; init; } = MtpInput.Normed;

    /// <summary>Weight of the prediction module's loss (lambda in equation 25 of the report).</summary>
    public double MtpLossWeight { get; init; } = 0.3;

    /// <summary>Dimensions of a query and of a key.</summary>
    public int QkHeadDim => QkNopeHeadDim + QkRopeHeadDim;

    /// <summary>Whether layer <paramref name="layer"/> has routed experts; the prediction module counts as layer <see cref="NumHiddenLayers"/>.</summary>
    public bool IsMoe(int layer) => layer >= FirstKDenseReplace && layer % MoeLayerFreq == 0;

    /// <summary>The layers with routed experts, the prediction module's included.</summary>
    public IEnumerable<int> MoeLayers => Enumerable.Range(0, NumHiddenLayers + NumNextnPredictLayers).Where(IsMoe);

    /// <summary>What the names of a layer's parameters begin with; the prediction module counts as layer <see cref="NumHiddenLayers"/>.</summary>
    internal static string LayerPrefix(int layer) => string.Create(CultureInfo.InvariantCulture, $"model.layers.{layer}.");

    /// <summary>Whether the experts of a token come from the best groups only.</summary>
    internal bool SelectsGroups => NGroup > 1 && TopkMethod != TopkMethod.Greedy;

    /// <summary>Whether the router has a selection bias.</summary>
    internal bool HasRouterBias => TopkMethod == TopkMethod.NoauxTc;

    /// <summary>Every field in a fixed order and an invariant format, for hashes.</summary>
    public string Canonical()
    {
        var text = new StringBuilder();
        foreach ((string name, object? value) in Fields())
            text.Append(name).Append('=').Append(Text(value)).Append('\n');
        return text.ToString();
    }

    /// <summary>The fields under their Hugging Face names, in the order of the canonical form.</summary>
    private IEnumerable<(string Name, object? Value)> Fields() =>
    [
        ("vocab_size", VocabSize), ("hidden_size", HiddenSize), ("intermediate_size", IntermediateSize), ("moe_intermediate_size", MoeIntermediateSize),
        ("num_hidden_layers", NumHiddenLayers), ("num_attention_heads", NumAttentionHeads), ("n_routed_experts", NRoutedExperts),
        ("n_shared_experts", NSharedExperts), ("num_experts_per_tok", NumExpertsPerTok), ("first_k_dense_replace", FirstKDenseReplace),
        ("n_group", NGroup), ("topk_group", TopkGroup), ("routed_scaling_factor", RoutedScalingFactor), ("norm_topk_prob", NormTopkProb),
        ("q_lora_rank", QLoraRank), ("kv_lora_rank", KvLoraRank), ("qk_rope_head_dim", QkRopeHeadDim),
        ("qk_nope_head_dim", QkNopeHeadDim), ("v_head_dim", VHeadDim), ("rms_norm_eps", RmsNormEps), ("rope_theta", RopeTheta),
        ("initializer_range", InitializerRange), ("max_position_embeddings", MaxPositionEmbeddings), ("bias_update_speed", BiasUpdateSpeed),
        ("moe_layer_freq", MoeLayerFreq), ("scoring_func", ScoringFunc), ("topk_method", TopkMethod), ("rope_scaling", RopeScaling),
        ("aux_loss_alpha", AuxLossAlpha), ("seq_aux", SeqAux), ("num_nextn_predict_layers", NumNextnPredictLayers), ("mtp_input", MtpInput),
        ("mtp_loss_weight", MtpLossWeight),
    ];

    private static string Text(object? value) => value switch
    {
        null => "null",
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        Enum choice => ConfigWords.Of(choice),
        YarnScaling yarn => string.Join(',', yarn.Fields().Select(field => $"{field.Name}:{Text(field.Value)}")),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
