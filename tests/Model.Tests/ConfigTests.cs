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
    [InlineData("qk_rope_head_dim", 7)]
    [InlineData("n_group", 3)]
    [InlineData("topk_group", 5)]
    [InlineData("num_experts_per_tok", 5)]
    [InlineData("rms_norm_eps", 0.0)]
    [InlineData("rms_norm_eps", "small")]
    [InlineData("norm_topk_prob", 1)]
    [InlineData("scoring_func", "softmax")]
    [InlineData("model_type", "llama")]
    [InlineData("num_nextn_predict_layers", 1)]
    [InlineData("num_key_value_heads", 2)]
    [InlineData("tie_word_embeddings", true)]
    public void An_impossible_or_unsupported_field_is_named(string field, object? value)
    {
        string path = Write(json => json[field] = value is null ? null : JsonValue.Create(value));
        Assert.EndsWith(": " + field, Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(path)).Where);
    }

    [Fact]
    public void Rope_scaling_is_refused_until_the_network_has_it()
    {
        string path = Write(json => json["rope_scaling"] = new JsonObject { ["type"] = "yarn" });
        Assert.EndsWith(": rope_scaling", Assert.Throws<BadInputException>(() => ModelConfig.FromHuggingFace(path)).Where);
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
