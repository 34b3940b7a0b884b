using System.Text.Json.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

public sealed class ConfigTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("config-").FullName;

    [Fact]
    public void Every_preset_is_valid_and_the_small_ones_have_their_size()
    {
        foreach (string name in ModelConfig.PresetNames) ModelConfig.Preset(name).Validate(name);
        Assert.InRange(ParameterLayout.Create(ModelConfig.Preset("tiny")).TotalLength, 20_000, 60_000);
        Assert.InRange(ParameterLayout.Create(ModelConfig.Preset("nano")).TotalLength, 5_000_000, 5_500_000);
        Assert.InRange(ParameterLayout.Create(ModelConfig.Preset("micro")).TotalLength, 25_000_000, 33_000_000);
        Assert.Contains("tiny, quickstart, nano, micro", Assert.Throws<BadInputException>(() => ModelConfig.Preset("huge")).Message);
    }

    [Theory]
    [InlineData("hidden_size", 0)]
    [InlineData("hidden_size", "wide")]
    [InlineData("hidden_size", null)]
    [InlineData("hidden_size", 48.5)]
    [InlineData("vocab_size", -1)]
    [InlineData("intermediate_size", 2147483647)]
    [InlineData("num_hidden_layers", 0)]
    [InlineData("num_hidden_layers", 2000000000)]
    [InlineData("num_attention_heads", 2000000000, "num_key_value_heads")]
    [InlineData("num_key_value_heads", 2)]
    [InlineData("q_lora_rank", 0)]
    [InlineData("kv_lora_rank", 0)]
    [InlineData("qk_rope_head_dim", 7)]
    [InlineData("v_head_dim", 0)]
    [InlineData("max_position_embeddings", 0)]
    [InlineData("n_routed_experts", 0)]
    [InlineData("n_routed_experts", null)]
    [InlineData("n_shared_experts", -1)]
    [InlineData("n_group", 3)]
    [InlineData("topk_group", 5)]
    [InlineData("num_experts_per_tok", 5)]
    [InlineData("num_experts_per_tok", 0)]
    [InlineData("first_k_dense_replace", 4)]
    [InlineData("moe_layer_freq", 0)]
    [InlineData("rms_norm_eps", 0.0)]
    [InlineData("rms_norm_eps", "small")]
    [InlineData("rms_norm_eps", 1e-60)] // 0 in fp32
    [InlineData("rms_norm_eps", 1e300)] // infinite in fp32
    [InlineData("rope_theta", 1.0)]
    [InlineData("routed_scaling_factor", 0.0)]
    [InlineData("routed_scaling_factor", 1e300)]
    [InlineData("aux_loss_alpha", -0.1)]
    [InlineData("seq_aux", "yes")]
    [InlineData("norm_topk_prob", 1)]
    [InlineData("scoring_func", "tanh")]
    [InlineData("scoring_func", 1)]
    [InlineData("topk_method", "best")]
    [InlineData("model_type", "llama")]
    [InlineData("model_type", null)]
    [InlineData("architectures", "LlamaForCausalLM")]
    [InlineData("hidden_act", "gelu")]
    [InlineData("attention_bias", true)]
    [InlineData("attention_dropout", 0.1)]
    [InlineData("num_nextn_predict_layers", 2)]
    [InlineData("mtp_input", "both")]
    [InlineData("mtp_loss_weight", -1.0)]
    [InlineData("tie_word_embeddings", true)]
    [InlineData("rope_scaling", "yarn")]
    public void An_impossible_or_unsupported_field_is_named(string field, object? value, string? named = null)
    {
        string path = Write(json => json[field] = value is null ? null : JsonValue.Create(value));
        Assert.EndsWith(": " + (named ?? field), Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(path)).Where);
    }

    [Theory]
    [InlineData("type", "linear")]
    [InlineData("type", null)]
    [InlineData("factor", 0.5)]
    [InlineData("factor", null)]
    [InlineData("original_max_position_embeddings", 0)]
    [InlineData("original_max_position_embeddings", null)]
    [InlineData("beta_slow", 0)]
    [InlineData("beta_fast", 0.5)]
    [InlineData("mscale", -1)]
    [InlineData("mscale_all_dim", 1e37)] // its square is infinite in fp32
    [InlineData("mscale_all_dim", "high")]
    public void An_impossible_field_of_the_rope_scaling_is_named(string field, object? value)
    {
        string path = Write(json => json["rope_scaling"] = new JsonObject { ["type"] = "yarn", ["factor"] = 4, ["original_max_position_embeddings"] = 32, [field] = value is null ? null : JsonValue.Create(value) });
        Assert.EndsWith(": rope_scaling." + field, Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(path)).Where);
    }

    [Fact]
    public void Both_spellings_of_yarn_are_read()
    {
        YarnScaling expected = new(4, 32, 16, 2, 0.7, 0.9);
        JsonObject Section(string type, string kind) => new()
        {
            [type] = kind,
            ["factor"] = 4,
            ["original_max_position_embeddings"] = 32,
            ["beta_fast"] = 16,
            ["beta_slow"] = 2,
            ["mscale"] = 0.7,
            ["mscale_all_dim"] = 0.9,
        };
        Assert.Equal(expected, ModelConfig.FromHuggingFace(Write(json => json["rope_scaling"] = Section("type", "yarn"))).RopeScaling);
        Assert.Equal(expected, ModelConfig.FromHuggingFace(Write(json => json["rope_scaling"] = Section("rope_type", "yarn"))).RopeScaling);
        Assert.Null(ModelConfig.FromHuggingFace(Write(json => json["rope_scaling"] = Section("rope_type", "default"))).RopeScaling);
        ModelConfig newer = ModelConfig.FromHuggingFace(Write(json =>
        {
            json.Remove("rope_theta");
            json["rope_parameters"] = Section("rope_type", "yarn");
            json["rope_parameters"]!["rope_theta"] = 5000;
        }));
        Assert.Equal((expected, 5000), (newer.RopeScaling, newer.RopeTheta));
    }

    [Fact]
    public void Two_spellings_that_disagree_are_refused()
    {
        JsonObject Section(string type, double factor) => new() { [type] = "yarn", ["factor"] = factor, ["original_max_position_embeddings"] = 32 };
        string Refused(Action<JsonObject> change) => Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(Write(change))).Where;
        Assert.EndsWith(": rope_parameters", Refused(json => (json["rope_scaling"], json["rope_parameters"]) = (Section("type", 4), Section("rope_type", 8))));
        Assert.EndsWith(": rope_parameters.rope_theta", Refused(json => (json["rope_theta"], json["rope_parameters"]) = (10000, new JsonObject { ["rope_type"] = "default", ["rope_theta"] = 5000 })));
        ModelConfig same = ModelConfig.FromHuggingFace(Write(json => (json["rope_scaling"], json["rope_parameters"]) = (Section("type", 4), Section("rope_type", 4))));
        Assert.Equal(4, same.RopeScaling!.Factor);
    }

    [Fact]
    public void Numbers_that_are_possible_one_by_one_but_not_together_are_refused_before_anything_is_laid_out()
    {
        ModelConfig tiny = ModelConfig.Preset("tiny");
        void Refused(string where, ModelConfig config) => Assert.Equal("model: " + where, Assert.Throws<BadInputException>(() => ParameterLayout.Create(config)).Where);
        Refused("n_routed_experts", tiny with { NumHiddenLayers = 10_000, NRoutedExperts = 65_536 });
        Refused("model.embed_tokens.weight", tiny with { HiddenSize = int.MaxValue });
        Refused("model.layers.0.self_attn.q_proj.weight", tiny with { VocabSize = 1, HiddenSize = int.MaxValue, QLoraRank = null });
    }

    [Theory]
    [InlineData("v3-tiny")]
    [InlineData("v3-yarn")]
    [InlineData("v2lite-tiny")]
    [InlineData("mtp-tiny")]
    public void A_configuration_that_was_written_is_read_as_the_same(string name)
    {
        ModelConfig config = ModelConfig.FromHuggingFace(Path.Combine(AppContext.BaseDirectory, "Parity", name, "config.json"));
        config = config with { BiasUpdateSpeed = 0.002, AuxLossAlpha = 0.01, SeqAux = false, MoeLayerFreq = 2, MtpLossWeight = 0.1, MtpInput = MtpInput.Raw };
        string path = Path.Combine(_folder, "config.json");
        File.WriteAllText(path, config.ToHuggingFace().ToJsonString());
        Assert.Equal(config, ModelConfig.FromHuggingFace(path));
    }

    [Fact]
    public void A_missing_file_and_text_that_is_no_json_are_refused()
    {
        Assert.Equal("no such file", Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(Path.Combine(_folder, "none.json"))).Found);
        string path = Path.Combine(_folder, "broken.json");
        File.WriteAllText(path, "{ \"vocab_size\": ");
        Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(path));
        File.WriteAllText(path, "[]");
        Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(path));
        File.WriteAllText(path, ModelConfig.Preset("tiny").ToHuggingFace().ToJsonString().Replace("\"vocab_size\"", "\"vocab_size\":300,\"vocab_size\"", StringComparison.Ordinal));
        Assert.Contains("\"vocab_size\" twice", Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(path)).Message);
    }

    [Fact]
    public void The_canonical_form_tells_any_two_configurations_apart()
    {
        ModelConfig tiny = ModelConfig.Preset("tiny");
        Assert.Equal(tiny.Canonical(), ModelConfig.Preset("tiny").Canonical());
        Assert.NotEqual(tiny.Canonical(), (tiny with { QLoraRank = null }).Canonical());
        Assert.NotEqual(tiny.Canonical(), (tiny with { BiasUpdateSpeed = 0.002 }).Canonical());
        Assert.Equal(typeof(ModelConfig).GetProperties().Count(p => p.SetMethod is not null && !p.GetMethod!.IsStatic), tiny.Canonical().Split('\n').Length - 1);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(Action<JsonObject> change)
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Parity", "v3-tiny", "config.json")))!.AsObject();
        change(json);
        string path = Path.Combine(_folder, "config.json");
        File.WriteAllText(path, json.ToJsonString());
        return path;
    }
}
