using System.Globalization;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Model;

/// <summary>
/// The sizes and constants of a DeepSeek-V3 network, named after the Hugging Face configuration. Source: DeepSeek-AI, "DeepSeek-V3 Technical
/// Report", arXiv:2412.19437, sections 2.1 and 4.2.
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

    /// <summary>How far the router bias of an expert moves in a step against its load (gamma in sections 2.1.2 and 4.2 of the report).</summary>
    public double BiasUpdateSpeed { get; init; } = 0.001;

    /// <summary>Dimensions of a query and of a key.</summary>
    public int QkHeadDim => QkNopeHeadDim + QkRopeHeadDim;

    /// <summary>Whether layer <paramref name="layer"/> has routed experts.</summary>
    public bool IsMoe(int layer) => layer >= FirstKDenseReplace;

    /// <summary>Refuses impossible numbers.</summary>
    /// <param name="where">The file or plan path that holds the configuration.</param>
    /// <exception cref="BadInputException">Names the first field that is wrong.</exception>
    public void Validate(string where)
    {
        Positive(where, "vocab_size", VocabSize);
        Positive(where, "hidden_size", HiddenSize);
        Positive(where, "intermediate_size", IntermediateSize);
        Positive(where, "num_hidden_layers", NumHiddenLayers);
        Positive(where, "num_attention_heads", NumAttentionHeads);
        Positive(where, "kv_lora_rank", KvLoraRank);
        Positive(where, "qk_rope_head_dim", QkRopeHeadDim);
        Positive(where, "qk_nope_head_dim", QkNopeHeadDim);
        Positive(where, "v_head_dim", VHeadDim);
        Positive(where, "max_position_embeddings", MaxPositionEmbeddings);
        if (QLoraRank is { } rank) Positive(where, "q_lora_rank", rank);
        Require(where, "qk_rope_head_dim", QkRopeHeadDim, QkRopeHeadDim % 2 == 0, "an even number");
        Require(where, "first_k_dense_replace", FirstKDenseReplace, FirstKDenseReplace >= 0, "0 or more");
        Require(where, "rms_norm_eps", RmsNormEps, RmsNormEps > 0 && double.IsFinite(RmsNormEps), "a positive number");
        Require(where, "rope_theta", RopeTheta, RopeTheta > 1 && double.IsFinite(RopeTheta), "a number above 1");
        Require(where, "initializer_range", InitializerRange, InitializerRange > 0 && double.IsFinite(InitializerRange), "a positive number");
        Require(where, "bias_update_speed", BiasUpdateSpeed, BiasUpdateSpeed >= 0 && double.IsFinite(BiasUpdateSpeed), "0 or a positive number");
        if (FirstKDenseReplace < NumHiddenLayers) ValidateExperts(where);
    }

    private void ValidateExperts(string where)
    {
        Positive(where, "moe_intermediate_size", MoeIntermediateSize);
        Positive(where, "n_routed_experts", NRoutedExperts);
        Positive(where, "n_group", NGroup);
        Require(where, "n_shared_experts", NSharedExperts, NSharedExperts >= 0, "0 or more");
        Require(where, "n_group", NGroup, NRoutedExperts % NGroup == 0, $"a divisor of n_routed_experts = {NRoutedExperts}");
        Require(where, "topk_group", TopkGroup, TopkGroup >= 1 && TopkGroup <= NGroup, $"1 to n_group = {NGroup}");
        int reachable = NRoutedExperts / NGroup * TopkGroup;
        Require(where, "num_experts_per_tok", NumExpertsPerTok, NumExpertsPerTok >= 1 && NumExpertsPerTok <= reachable,
            $"1 to {reachable}, the experts in {TopkGroup} of {NGroup} groups");
        Require(where, "routed_scaling_factor", RoutedScalingFactor, RoutedScalingFactor > 0 && double.IsFinite(RoutedScalingFactor), "a positive number");
    }

    /// <summary>Every field in a fixed order and an invariant format, for hashes.</summary>
    public string Canonical()
    {
        var text = new StringBuilder();
        foreach ((string name, object? value) in Fields())
            text.Append(name).Append('=').Append(value is double number ? number.ToString("R", CultureInfo.InvariantCulture) : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "").Append('\n');
        return text.ToString();
    }

    /// <summary>The fields under their Hugging Face names, in the order of the canonical form.</summary>
    private IEnumerable<(string Name, object? Value)> Fields() =>
    [
        ("vocab_size", VocabSize), ("hidden_size", HiddenSize), ("intermediate_size", IntermediateSize), ("moe_intermediate_size", MoeIntermediateSize),
        ("num_hidden_layers", NumHiddenLayers), ("num_attention_heads", NumAttentionHeads), ("n_routed_experts", NRoutedExperts),
        ("n_shared_experts", NSharedExperts), ("num_experts_per_tok", NumExpertsPerTok), ("first_k_dense_replace", FirstKDenseReplace),
        ("n_group", NGroup), ("topk_group", TopkGroup), ("routed_scaling_factor", RoutedScalingFactor), ("norm_topk_prob", NormTopkProb),
        ("q_lora_rank", QLoraRank?.ToString(CultureInfo.InvariantCulture) ?? "null"), ("kv_lora_rank", KvLoraRank), ("qk_rope_head_dim", QkRopeHeadDim),
        ("qk_nope_head_dim", QkNopeHeadDim), ("v_head_dim", VHeadDim), ("rms_norm_eps", RmsNormEps), ("rope_theta", RopeTheta),
        ("initializer_range", InitializerRange), ("max_position_embeddings", MaxPositionEmbeddings), ("bias_update_speed", BiasUpdateSpeed),
    ];

    private static void Positive(string where, string field, int value) => Require(where, field, value, value > 0, "a positive whole number");

    private static void Require(string where, string field, object value, bool holds, string expected)
    {
        if (!holds) throw new BadInputException($"{where}: {field}", Convert.ToString(value, CultureInfo.InvariantCulture)!, expected);
    }
}
