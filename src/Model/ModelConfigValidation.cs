using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Model;

public sealed partial record ModelConfig
{
    /// <summary>More layers or experts than this are a slip of the finger: the parameter list alone would not fit into memory.</summary>
    private const int MostLayers = 10_000, MostExperts = 65_536, MostExpertsInAll = 262_144;

    /// <summary>Refuses impossible numbers.</summary>
    /// <param name="where">The file or plan path that holds the configuration.</param>
    /// <exception cref="BadInputException">Names the first field that is wrong.</exception>
    public void Validate(string where)
    {
        Positive(where, "vocab_size", VocabSize);
        Positive(where, "hidden_size", HiddenSize);
        Positive(where, "intermediate_size", IntermediateSize);
        Require(where, "num_hidden_layers", NumHiddenLayers, NumHiddenLayers is > 0 and <= MostLayers, $"1 to {MostLayers}");
        Positive(where, "num_attention_heads", NumAttentionHeads);
        Positive(where, "kv_lora_rank", KvLoraRank);
        Positive(where, "qk_rope_head_dim", QkRopeHeadDim);
        Positive(where, "qk_nope_head_dim", QkNopeHeadDim);
        Positive(where, "v_head_dim", VHeadDim);
        Positive(where, "max_position_embeddings", MaxPositionEmbeddings);
        if (QLoraRank is { } rank) Positive(where, "q_lora_rank", rank);
        Require(where, "qk_rope_head_dim", QkRopeHeadDim, QkRopeHeadDim % 2 == 0, "an even number");
        Fits(where, "intermediate_size", IntermediateSize, 2);
        Fits(where, "num_attention_heads", NumAttentionHeads, (long)QkNopeHeadDim + Math.Max(QkRopeHeadDim, VHeadDim));
        Fits(where, "kv_lora_rank", KvLoraRank + (long)QkRopeHeadDim + (QLoraRank ?? (NumAttentionHeads * QkHeadDim)), 1);
        Require(where, "first_k_dense_replace", FirstKDenseReplace, FirstKDenseReplace >= 0 && FirstKDenseReplace <= NumHiddenLayers,
            $"0 to num_hidden_layers = {NumHiddenLayers}");
        Positive(where, "moe_layer_freq", MoeLayerFreq);
        Finite(where, "rms_norm_eps", RmsNormEps, (float)RmsNormEps > 0, "a positive number");
        Finite(where, "rope_theta", RopeTheta, RopeTheta > 1, "a number above 1");
        Finite(where, "initializer_range", InitializerRange, (float)InitializerRange > 0, "a positive number");
        Finite(where, "bias_update_speed", BiasUpdateSpeed, BiasUpdateSpeed >= 0, "0 or a positive number");
        Finite(where, "aux_loss_alpha", AuxLossAlpha, AuxLossAlpha >= 0, "0 or a positive number");
        Finite(where, "mtp_loss_weight", MtpLossWeight, MtpLossWeight >= 0, "0 or a positive number");
        Require(where, "num_nextn_predict_layers", NumNextnPredictLayers, NumNextnPredictLayers is 0 or 1, "0 or 1");
        Word(where, "scoring_func", ScoringFunc);
        Word(where, "topk_method", TopkMethod);
        Word(where, "mtp_input", MtpInput);
        RopeScaling?.Validate(where);
        if (MoeLayers.Any()) ValidateExperts(where);
    }

    /// <summary>Refuses token ids outside the vocabulary.</summary>
    internal void RequireTokens(string where, ReadOnlySpan<int> tokens)
    {
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)VocabSize) throw new BadInputException($"{where}[{i}]", $"token id {tokens[i]}", $"0 to {VocabSize - 1}");
        }
    }

    internal static void Positive(string where, string field, int value) => Require(where, field, value, value > 0, "a positive whole number");

    /// <summary>The network computes in fp32: a number that is infinite there, or 0 where it must not be, is none.</summary>
    internal static void Finite(string where, string field, double value, bool holds, string expected) =>
        Require(where, field, value, holds && float.IsFinite((float)value), $"{expected} within the range of fp32");

    internal static void Require(string where, string field, object value, bool holds, string expected)
    {
        if (!holds) throw new BadInputException($"{where}: {field}", Convert.ToString(value, CultureInfo.InvariantCulture)!, expected);
    }

    /// <summary>Widths of matrices are 32-bit numbers in every BLAS.</summary>
    private static void Fits(string where, string field, long value, long times) =>
        Require(where, field, value, value * (Int128)times <= int.MaxValue, $"at most {int.MaxValue / times}, so that a matrix's width fits into 31 bits");

    private static void Word<T>(string where, string field, T value) where T : struct, Enum =>
        Require(where, field, value, Enum.IsDefined(value), string.Join(", ", ConfigWords.All(typeof(T))));

    private void ValidateExperts(string where)
    {
        Positive(where, "moe_intermediate_size", MoeIntermediateSize);
        Fits(where, "moe_intermediate_size", MoeIntermediateSize, 2);
        Require(where, "n_routed_experts", NRoutedExperts, NRoutedExperts is > 0 and <= MostExperts, $"1 to {MostExperts}");
        int routed = MoeLayers.Count();
        Require(where, "n_routed_experts", NRoutedExperts, (long)NRoutedExperts * routed <= MostExpertsInAll, $"at most {MostExpertsInAll / routed} in each of {routed} layers");
        Positive(where, "n_group", NGroup);
        Require(where, "n_shared_experts", NSharedExperts, NSharedExperts >= 0, "0 or more");
        Fits(where, "n_shared_experts", NSharedExperts, 2L * MoeIntermediateSize);
        Require(where, "n_group", NGroup, NRoutedExperts % NGroup == 0, $"a divisor of n_routed_experts = {NRoutedExperts}");
        Require(where, "topk_group", TopkGroup, TopkGroup >= 1 && TopkGroup <= NGroup, $"1 to n_group = {NGroup}");
        int reachable = SelectsGroups ? NRoutedExperts / NGroup * TopkGroup : NRoutedExperts;
        Require(where, "num_experts_per_tok", NumExpertsPerTok, NumExpertsPerTok >= 1 && NumExpertsPerTok <= reachable,
            SelectsGroups ? $"1 to {reachable}, the experts in {TopkGroup} of {NGroup} groups" : $"1 to n_routed_experts = {reachable}");
        Finite(where, "routed_scaling_factor", RoutedScalingFactor, (float)RoutedScalingFactor > 0, "a positive number");
    }
}
