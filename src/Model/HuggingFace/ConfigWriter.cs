using System.Text.Json.Nodes;

namespace ElasticTrain.Model;

public sealed partial record ModelConfig
{
    /// <summary>The configuration as a Hugging Face <c>config.json</c>, which <see cref="FromHuggingFace"/> reads as the same configuration.</summary>
    /// <param name="over">Fields of a configuration that this one comes from and that are not ours, such as token ids; null for none.</param>
    public JsonObject ToHuggingFace(JsonObject? over = null)
    {
        JsonObject json = over?.DeepClone().AsObject() ?? [];
        foreach (string replaced in (string[])["rope_parameters", "quantization_config", "dtype"]) json.Remove(replaced);
        // Only V2 has these methods; only V3's configuration class knows the bias.
        bool isV3 = TopkMethod == TopkMethod.NoauxTc;
        json["architectures"] = new JsonArray(isV3 ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM");
        json["model_type"] = isV3 ? "deepseek_v3" : "deepseek_v2";
        foreach ((string name, object? value) in Fields())
            json[name] = value is YarnScaling yarn ? Yarn(yarn) : Node(value);
        json["num_key_value_heads"] = NumAttentionHeads;
        json["hidden_act"] = "silu";
        json["attention_bias"] = false;
        json["attention_dropout"] = 0.0;
        json["tie_word_embeddings"] = false;
        json["torch_dtype"] = "float32";
        return json;
    }

    private static JsonObject Yarn(YarnScaling yarn)
    {
        var json = new JsonObject { ["type"] = "yarn" };
        foreach ((string name, object value) in yarn.Fields()) json[name] = Node(value);
        return json;
    }

    private static JsonNode? Node(object? value) => value switch
    {
        null => null,
        int number => number,
        double number => number,
        bool flag => flag,
        Enum choice => ConfigWords.Of(choice),
        _ => throw new InvalidOperationException($"A field of type {value.GetType()} has no JSON form."),
    };
}
