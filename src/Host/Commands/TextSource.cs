using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Model;

namespace ElasticTrain.Host.Commands;

/// <summary>A model with its vocabulary, from a Hugging Face folder or from a run.</summary>
/// <param name="Layout">The network.</param>
/// <param name="Parameters">Its parameters.</param>
/// <param name="IsBytes">Whether its tokens are those of the byte-level tokenizer; otherwise only token ids can be told.</param>
/// <param name="Ends">Token ids that end a text.</param>
internal sealed record TextSource(ParameterLayout Layout, NativeBuffer Parameters, bool IsBytes, IReadOnlySet<int> Ends) : IDisposable
{
    /// <summary>A run's newest sealed checkpoint.</summary>
    internal static TextSource FromRun(string directory)
    {
        using var session = RunSession.Open(directory);
        var manifest = RunWeights.Newest(session, Console.Error.WriteLine);
        return new TextSource(session.Definition.Layout, RunWeights.Read(session.Definition, manifest), true, new HashSet<int> { ByteTokenizer.EndOfDocument });
    }

    /// <summary>A Hugging Face folder.</summary>
    internal static TextSource FromFolder(string folder)
    {
        HuggingFaceModel model = HuggingFaceModel.Load(folder);
        return new TextSource(model.Layout, model.Parameters, HasByteTokenizer(folder), EndTokens(folder));
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    private static bool HasByteTokenizer(string folder)
    {
        string path = Path.Combine(folder, "tokenizer.json");
        return File.Exists(path) && Parse(path)?["model"] is JsonObject model && JsonNode.DeepEquals(model, JsonNode.Parse(ByteTokenizerFiles.All()["tokenizer.json"])!["model"]);
    }

    private static HashSet<int> EndTokens(string folder)
    {
        foreach (string name in (string[])["generation_config.json", "config.json"])
        {
            string path = Path.Combine(folder, name);
            if (!File.Exists(path) || Parse(path)?["eos_token_id"] is not { } ends) continue;
            JsonNode?[] ids = ends is JsonArray list ? [.. list] : [ends];
            return [.. ids.Select(id => id is JsonValue value && value.TryGetValue(out int number) ? number : throw new BadInputException($"{path}: eos_token_id", ends.ToJsonString(), "a token id, or a list of them"))];
        }
        return [];
    }

    private static JsonNode? Parse(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(path, Encoding.UTF8));
        }
        catch (JsonException error)
        {
            throw new BadInputException(path, $"text that is no JSON ({error.Message})", "a JSON object", error);
        }
    }
}
