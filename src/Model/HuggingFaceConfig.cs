using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Model;

public sealed partial record ModelConfig
{
    /// <summary>Reads a Hugging Face <c>config.json</c> of a DeepSeek-V3 model.</summary>
    /// <param name="configJsonPath">The file.</param>
    /// <exception cref="BadInputException">The file is missing or no JSON, a field is missing, of the wrong type or impossible, or asks for
    /// something that this network does not have.</exception>
    public static ModelConfig FromHuggingFace(string configJsonPath)
    {
        string text;
        try
        {
            text = File.ReadAllText(configJsonPath);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(configJsonPath, error is FileNotFoundException or DirectoryNotFoundException ? "no such file" : error.Message, "a config.json", error);
        }
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            ModelConfig config = Read(new Reader(configJsonPath, document.RootElement));
            config.Validate(configJsonPath);
            return config;
        }
        catch (JsonException error)
        {
            throw new BadInputException(configJsonPath, $"text that is no JSON ({error.Message})", "a JSON object", error);
        }
    }

    private static ModelConfig Read(Reader json)
    {
        json.Only("model_type", "deepseek_v3");
        json.Only("topk_method", "noaux_tc");
        json.Only("scoring_func", "sigmoid");
        json.Only("hidden_act", "silu");
        json.Only("attention_bias", false);
        json.Only("tie_word_embeddings", false);
        json.Only("rope_scaling", null);
        json.Only("moe_layer_freq", 1);
        json.Only("num_nextn_predict_layers", 0);
        int layers = json.Int("num_hidden_layers"), dense = json.Int("first_k_dense_replace", 0), heads = json.Int("num_attention_heads");
        json.Only("num_key_value_heads", heads);
        bool moe = dense < layers;
        return new ModelConfig
        {
            VocabSize = json.Int("vocab_size"),
            HiddenSize = json.Int("hidden_size"),
            IntermediateSize = json.Int("intermediate_size"),
            MoeIntermediateSize = json.Int("moe_intermediate_size", moe ? null : 0),
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            NRoutedExperts = json.Int("n_routed_experts", moe ? null : 0),
            NSharedExperts = json.Int("n_shared_experts", 0),
            NumExpertsPerTok = json.Int("num_experts_per_tok", moe ? null : 0),
            FirstKDenseReplace = dense,
            NGroup = json.Int("n_group", 1),
            TopkGroup = json.Int("topk_group", 1),
            RoutedScalingFactor = json.Number("routed_scaling_factor", 1.0),
            NormTopkProb = json.Bool("norm_topk_prob", true),
            QLoraRank = json.OptionalInt("q_lora_rank"),
            KvLoraRank = json.Int("kv_lora_rank"),
            QkRopeHeadDim = json.Int("qk_rope_head_dim"),
            QkNopeHeadDim = json.Int("qk_nope_head_dim"),
            VHeadDim = json.Int("v_head_dim"),
            RmsNormEps = json.Number("rms_norm_eps", 1e-6),
            RopeTheta = json.Number("rope_theta", 10000),
            InitializerRange = json.Number("initializer_range", 0.02),
            MaxPositionEmbeddings = json.Int("max_position_embeddings"),
            BiasUpdateSpeed = json.Number("bias_update_speed", 0.001),
        };
    }

    /// <summary>Typed access to the fields of a JSON object, with errors that name the field.</summary>
    private readonly struct Reader
    {
        private readonly string _path;
        private readonly JsonElement _root;

        public Reader(string path, JsonElement root)
        {
            _path = path;
            _root = root;
            if (root.ValueKind != JsonValueKind.Object) throw new BadInputException(path, $"JSON of kind {root.ValueKind}", "a JSON object");
        }

        public int Int(string field, int? absent = null) => OptionalInt(field) ?? absent ?? throw Wrong(field, "nothing", "a whole number");

        public int? OptionalInt(string field)
        {
            if (!Has(field, out JsonElement value)) return null;
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Wrong(field, value.GetRawText(), "a whole number");
        }

        public double Number(string field, double absent)
        {
            if (!Has(field, out JsonElement value)) return absent;
            return value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(field, value.GetRawText(), "a number");
        }

        public bool Bool(string field, bool absent)
        {
            if (!Has(field, out JsonElement value)) return absent;
            return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(field, value.GetRawText(), "true or false");
        }

        /// <summary>Refuses a field that is there and says anything but the one value that this network supports.</summary>
        public void Only(string field, object? supported)
        {
            if (!Has(field, out JsonElement value)) return;
            string expected = JsonSerializer.Serialize(supported);
            if (value.GetRawText() != expected) throw Wrong(field, value.GetRawText(), expected);
        }

        private bool Has(string field, out JsonElement value) => _root.TryGetProperty(field, out value) && value.ValueKind != JsonValueKind.Null;

        private BadInputException Wrong(string field, string found, string expected) => new($"{_path}: {field}", found, expected);
    }
}
