using ElasticTrain.Core;

namespace ElasticTrain.Model;

public sealed partial record ModelConfig
{
    /// <summary>The names that <see cref="Preset"/> knows.</summary>
    public static IReadOnlyList<string> PresetNames { get; } = ["tiny", "quickstart", "nano", "micro"];

    /// <summary>A ready-made configuration.</summary>
    /// <param name="name"><c>tiny</c> for tests (bytes, 30 thousand parameters), <c>quickstart</c> for a first run of a few minutes on bytes,
    /// <c>nano</c> (5.2 M) and <c>micro</c> (30 M) for a tokenizer and a laptop.</param>
    /// <exception cref="BadInputException">No such preset.</exception>
    public static ModelConfig Preset(string name) => name switch
    {
        "tiny" => new ModelConfig
        {
            VocabSize = 260,
            HiddenSize = 32,
            IntermediateSize = 64,
            MoeIntermediateSize = 16,
            NumHiddenLayers = 3,
            NumAttentionHeads = 2,
            NRoutedExperts = 4,
            NSharedExperts = 1,
            NumExpertsPerTok = 2,
            FirstKDenseReplace = 1,
            NGroup = 2,
            TopkGroup = 1,
            RoutedScalingFactor = 1.0,
            QLoraRank = 16,
            KvLoraRank = 16,
            QkRopeHeadDim = 8,
            QkNopeHeadDim = 8,
            VHeadDim = 16,
            MaxPositionEmbeddings = 256,
        },
        "quickstart" => new ModelConfig
        {
            VocabSize = 260,
            HiddenSize = 128,
            IntermediateSize = 384,
            MoeIntermediateSize = 64,
            NumHiddenLayers = 4,
            NumAttentionHeads = 4,
            NRoutedExperts = 8,
            NSharedExperts = 1,
            NumExpertsPerTok = 2,
            FirstKDenseReplace = 1,
            NGroup = 1,
            TopkGroup = 1,
            RoutedScalingFactor = 1.0,
            QLoraRank = null,
            KvLoraRank = 64,
            QkRopeHeadDim = 16,
            QkNopeHeadDim = 16,
            VHeadDim = 32,
            MaxPositionEmbeddings = 1024,
            InitializerRange = 0.08,
            BiasUpdateSpeed = 0.003,
        },
        "nano" => new ModelConfig
        {
            VocabSize = 4096,
            HiddenSize = 256,
            IntermediateSize = 512,
            MoeIntermediateSize = 96,
            NumHiddenLayers = 4,
            NumAttentionHeads = 4,
            NRoutedExperts = 8,
            NSharedExperts = 1,
            NumExpertsPerTok = 2,
            FirstKDenseReplace = 1,
            NGroup = 4,
            TopkGroup = 2,
            RoutedScalingFactor = 2.5,
            QLoraRank = 128,
            KvLoraRank = 64,
            QkRopeHeadDim = 32,
            QkNopeHeadDim = 32,
            VHeadDim = 64,
            MaxPositionEmbeddings = 1024,
        },
        "micro" => new ModelConfig
        {
            VocabSize = 8192,
            HiddenSize = 384,
            IntermediateSize = 1024,
            MoeIntermediateSize = 144,
            NumHiddenLayers = 8,
            NumAttentionHeads = 6,
            NRoutedExperts = 16,
            NSharedExperts = 1,
            NumExpertsPerTok = 2,
            FirstKDenseReplace = 1,
            NGroup = 4,
            TopkGroup = 2,
            RoutedScalingFactor = 2.5,
            QLoraRank = 192,
            KvLoraRank = 128,
            QkRopeHeadDim = 32,
            QkNopeHeadDim = 32,
            VHeadDim = 64,
            MaxPositionEmbeddings = 1024,
        },
        _ => throw new BadInputException("model preset", $"\"{name}\"", $"one of {string.Join(", ", PresetNames)}"),
    };
}
