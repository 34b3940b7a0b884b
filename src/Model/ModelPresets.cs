using ElasticTrain.Core;

namespace ElasticTrain.Model;

public sealed partial record ModelConfig
{
    /// <summary>The names that <see cref="Preset"/> knows.</summary>
    public static IReadOnlyList<string> PresetNames { get; } = ["tiny", "quickstart", "nano", "micro", "base", "enhanced", "v2-lite", "v3"];

    /// <summary>A ready-made configuration.</summary>
    /// <param name="name"><c>tiny</c> for tests (bytes, 30 thousand parameters), <c>quickstart</c> for a first run of a few minutes on bytes,
    /// <c>nano</c> (5.2 M) and <c>micro</c> (30 M) for a tokenizer and a laptop; <c>base</c> and <c>enhanced</c> with 16 experts of which 2 are chosen;
    /// <c>v2-lite</c> and <c>v3</c> at their published sizes.</param>
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
        "base" => Sixteen(4096, 32, 24, 11008, 2816),
        "enhanced" => Sixteen(8192, 64, 48, 22016, 5632),
        // DeepSeek-V2, arXiv:2405.04434, appendix B, and the published config.json.
        "v2-lite" => new ModelConfig
        {
            VocabSize = 102400,
            HiddenSize = 2048,
            IntermediateSize = 10944,
            MoeIntermediateSize = 1408,
            NumHiddenLayers = 27,
            NumAttentionHeads = 16,
            NRoutedExperts = 64,
            NSharedExperts = 2,
            NumExpertsPerTok = 6,
            FirstKDenseReplace = 1,
            ScoringFunc = ScoringFunc.Softmax,
            TopkMethod = TopkMethod.Greedy,
            NormTopkProb = false,
            QLoraRank = null,
            KvLoraRank = 512,
            QkRopeHeadDim = 64,
            QkNopeHeadDim = 128,
            VHeadDim = 128,
            MaxPositionEmbeddings = 163840,
            RopeScaling = new YarnScaling(40, 4096, 32, 1, 0.707, 0.707),
            InitializerRange = 0.006,
            AuxLossAlpha = 0.001,
        },
        // V3 report, section 4.2, and the published config.json.
        "v3" => new ModelConfig
        {
            VocabSize = 129280,
            HiddenSize = 7168,
            IntermediateSize = 18432,
            MoeIntermediateSize = 2048,
            NumHiddenLayers = 61,
            NumAttentionHeads = 128,
            NRoutedExperts = 256,
            NSharedExperts = 1,
            NumExpertsPerTok = 8,
            FirstKDenseReplace = 3,
            NGroup = 8,
            TopkGroup = 4,
            RoutedScalingFactor = 2.5,
            QLoraRank = 1536,
            KvLoraRank = 512,
            QkRopeHeadDim = 64,
            QkNopeHeadDim = 128,
            VHeadDim = 128,
            MaxPositionEmbeddings = 163840,
            RopeScaling = new YarnScaling(40, 4096, 32, 1, 1, 1),
            InitializerRange = 0.006,
            AuxLossAlpha = 0.0001,
            NumNextnPredictLayers = 1,
        },
        _ => throw new BadInputException("model preset", $"\"{name}\"", $"one of {string.Join(", ", PresetNames)}"),
    };

    /// <summary>The global batch that a preset was made for, in sequences; null for the small ones.</summary>
    /// <param name="name">A name of <see cref="PresetNames"/>.</param>
    public static int? PresetBatch(string name) => name switch
    {
        "base" => 512,
        "enhanced" => 2048,
        "v2-lite" => 4608,
        "v3" => 15360,
        _ => null,
    };

    /// <summary>16 experts, of which a token chooses 2, and a shared one; attention as in DeepSeek-V2 and V3.</summary>
    private static ModelConfig Sixteen(int hidden, int heads, int layers, int intermediate, int expert) => new()
    {
        VocabSize = 102400,
        HiddenSize = hidden,
        IntermediateSize = intermediate,
        MoeIntermediateSize = expert,
        NumHiddenLayers = layers,
        NumAttentionHeads = heads,
        NRoutedExperts = 16,
        NSharedExperts = 1,
        NumExpertsPerTok = 2,
        FirstKDenseReplace = 1,
        QLoraRank = 1536,
        KvLoraRank = 512,
        QkRopeHeadDim = 64,
        QkNopeHeadDim = 128,
        VHeadDim = 128,
        MaxPositionEmbeddings = 4096,
        InitializerRange = 0.006,
        AuxLossAlpha = 0.0001,
    };
}
