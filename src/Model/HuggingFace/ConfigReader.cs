using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Model;

public sealed partial record ModelConfig
{
    /// <summary>Reads a Hugging Face <c>config.json</c> of a DeepSeek-V2 or V3 model.</summary>
    /// <param name="configJsonPath">The file.</param>
    /// <exception cref="BadInputException">The file is missing or no JSON, a field is missing, of the wrong type or impossible, or asks for
    /// something that this network does not have.</exception>
    public static ModelConfig FromHuggingFace(string configJsonPath) => JsonFile.Read(configJsonPath, "a config.json", "a JSON object", root =>
    {
        ModelConfig config = Read(new Reader(configJsonPath, root));
        config.Validate(configJsonPath);
        return config;
    });

    /// <summary>
    /// Where a count is absent there is nothing to count: no shared experts, no groups, no dense layers. Where a constant or a method is absent, the default of the
    /// published configuration class of the model's type holds, as for any reader of the format.
    /// </summary>
    private static ModelConfig Read(Reader json)
    {
        json.KnownArchitecture();
        bool isV3 = json.Word("model_type", "deepseek_v3", "deepseek_v2") == "deepseek_v3";
        json.Only("hidden_act", "silu");
        json.Only("attention_bias", false);
        json.Only("mlp_bias", false);
        json.Only("rope_interleave", true);
        json.Only("tie_word_embeddings", false);
        json.Zero("attention_dropout");
        int layers = json.Int("num_hidden_layers"), dense = json.Int("first_k_dense_replace", 0), heads = json.Int("num_attention_heads");
        int predicting = json.Int("num_nextn_predict_layers", 0);
        json.Only("num_key_value_heads", heads);
        bool moe = dense < layers + predicting;
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
            MoeLayerFreq = json.Int("moe_layer_freq", 1),
            NGroup = json.Int("n_group", 1),
            TopkGroup = json.Int("topk_group", 1),
            ScoringFunc = json.Word("scoring_func", isV3 ? ScoringFunc.Sigmoid : ScoringFunc.Softmax),
            TopkMethod = json.Word("topk_method", isV3 ? TopkMethod.NoauxTc : TopkMethod.Greedy),
            RoutedScalingFactor = json.Number("routed_scaling_factor", isV3 ? 2.5 : 1.0),
            NormTopkProb = json.Bool("norm_topk_prob", isV3),
            QLoraRank = json.OptionalInt("q_lora_rank"),
            KvLoraRank = json.Int("kv_lora_rank"),
            QkRopeHeadDim = json.Int("qk_rope_head_dim"),
            QkNopeHeadDim = json.Int("qk_nope_head_dim"),
            VHeadDim = json.Int("v_head_dim"),
            RmsNormEps = json.Number("rms_norm_eps", 1e-6),
            RopeTheta = Theta(json),
            RopeScaling = Scaling(json),
            InitializerRange = json.Number("initializer_range", 0.02),
            MaxPositionEmbeddings = json.Int("max_position_embeddings"),
            BiasUpdateSpeed = json.Number("bias_update_speed", 0.001),
            AuxLossAlpha = json.Number("aux_loss_alpha", 0),
            SeqAux = json.Bool("seq_aux", true),
            NumNextnPredictLayers = predicting,
            MtpInput = json.Word("mtp_input", MtpInput.Normed),
            MtpLossWeight = json.Number("mtp_loss_weight", 0.3),
        };
    }

    /// <summary>The base of the rotary frequencies, which newer library versions keep in rope_parameters.</summary>
    private static double Theta(Reader json)
    {
        double theta = json.Number("rope_theta", json.Section("rope_parameters")?.Number("rope_theta", 10000) ?? 10000);
        json.Section("rope_parameters")?.Agrees("rope_theta", theta, "rope_theta");
        return theta;
    }

    private static YarnScaling? Scaling(Reader json)
    {
        if (!json.Has("rope_scaling") || !json.Has("rope_parameters")) return Yarn(json.Section("rope_scaling") ?? json.Section("rope_parameters"));
        YarnScaling? scaling = Yarn(json.Section("rope_scaling"));
        return scaling == Yarn(json.Section("rope_parameters")) ? scaling : throw json.Contradiction("rope_parameters", "rope_scaling");
    }

    /// <summary>The section that DeepSeek calls rope_scaling with a type, and newer library versions rope_parameters with a rope_type.</summary>
    private static YarnScaling? Yarn(Reader? section)
    {
        if (section is not { } json) return null;
        string kind = json.Has("rope_type") ? "rope_type" : "type";
        if (json.Word(kind, "yarn", "default") == "default") return null;
        if (kind == "rope_type") json.Only("type", "yarn");
        return new YarnScaling(json.Number("factor"), json.Int("original_max_position_embeddings"), json.Number("beta_fast", 32), json.Number("beta_slow", 1),
            json.Number("mscale", 1), json.Number("mscale_all_dim", 0));
    }

    /// <summary>Typed access to the fields of a JSON object, with errors that name the field.</summary>
    private readonly struct Reader
    {
        private readonly string _path, _prefix;
        private readonly JsonElement _root;

        public Reader(string path, JsonElement root, string prefix = "")
        {
            (_path, _root, _prefix) = (path, root, prefix);
            if (root.ValueKind != JsonValueKind.Object) throw new BadInputException(path, $"JSON of kind {root.ValueKind}", "a JSON object");
        }

        public int Int(string field, int? absent = null) => OptionalInt(field) ?? absent ?? throw Wrong(field, "nothing", "a whole number");

        public int? OptionalInt(string field)
        {
            if (!Has(field, out JsonElement value)) return null;
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Wrong(field, value.GetRawText(), "a whole number");
        }

        public double Number(string field, double? absent = null)
        {
            if (!Has(field, out JsonElement value)) return absent ?? throw Wrong(field, "nothing", "a number");
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

        /// <summary>Refuses a number that is there and is another one than a field outside has.</summary>
        public void Agrees(string field, double value, string outside)
        {
            if (Number(field, value) != value) throw Contradiction(field, outside);
        }

        /// <summary>A field that says something else than another one.</summary>
        public BadInputException Contradiction(string field, string other) => Wrong(field, _root.GetProperty(field).GetRawText(), $"the same as {other}");

        /// <summary>Refuses a number that is there and is not 0.</summary>
        public void Zero(string field)
        {
            if (Number(field, 0) != 0) throw Wrong(field, _root.GetProperty(field).GetRawText(), "0");
        }

        /// <summary>One of a few words.</summary>
        public string Word(string field, params IReadOnlyList<string> words)
        {
            string expected = string.Join(" or ", words.Select(word => $"\"{word}\""));
            if (!Has(field, out JsonElement value)) throw Wrong(field, "nothing", expected);
            return value.ValueKind == JsonValueKind.String && words.Contains(value.GetString()) ? value.GetString()! : throw Wrong(field, value.GetRawText(), expected);
        }

        /// <summary>A choice by its word.</summary>
        public T Word<T>(string field, T absent) where T : struct, Enum =>
            Has(field) ? (T)(object)ConfigWords.Parse(typeof(T), Word(field, ConfigWords.All(typeof(T))))! : absent;

        /// <summary>Refuses a list of architectures without one of ours.</summary>
        public void KnownArchitecture()
        {
            const string field = "architectures", expected = "[\"DeepseekV3ForCausalLM\"] or [\"DeepseekV2ForCausalLM\"]";
            if (!Has(field, out JsonElement value)) return;
            if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() != 1 || value[0].ValueKind != JsonValueKind.String
                || !(value[0].ValueEquals("DeepseekV3ForCausalLM") || value[0].ValueEquals("DeepseekV2ForCausalLM")))
                throw Wrong(field, value.GetRawText(), expected);
        }

        /// <summary>An object inside this one, if it is there.</summary>
        public Reader? Section(string field)
        {
            if (!Has(field, out JsonElement value)) return null;
            return value.ValueKind == JsonValueKind.Object ? new Reader(_path, value, $"{_prefix}{field}.") : throw Wrong(field, value.GetRawText(), "a JSON object");
        }

        public bool Has(string field) => Has(field, out _);

        private bool Has(string field, out JsonElement value) => _root.TryGetProperty(field, out value) && value.ValueKind != JsonValueKind.Null;

        private BadInputException Wrong(string field, string found, string expected) => new($"{_path}: {_prefix}{field}", found, expected);
    }
}
