using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Model;

namespace ElasticTrain.Host.Commands;

/// <summary>A model with its vocabulary, from a Hugging Face folder or from a run.</summary>
/// <param name="Weights">The network.</param>
/// <param name="IsBytes">Whether its tokens are those of the byte-level tokenizer; otherwise only token ids can be told.</param>
/// <param name="Ends">Token ids that end a text.</param>
internal sealed record TextSource(ModelWeights Weights, bool IsBytes, IReadOnlySet<int> Ends) : IDisposable
{
    /// <summary>A run's newest sealed checkpoint, whose weights are fp32 unless another format is asked for.</summary>
    internal static TextSource FromRun(string directory, WeightFormat? format)
    {
        using var session = RunSession.Open(directory);
        var manifest = RunWeights.Newest(session, Console.Error.WriteLine);
        return new TextSource(RunWeights.Read(session.Definition, manifest, format ?? WeightFormat.Float32), true, new HashSet<int> { ByteTokenizer.EndOfDocument });
    }

    /// <summary>A Hugging Face folder, with its weights as they are stored unless another format is asked for.</summary>
    internal static TextSource FromFolder(string folder, WeightFormat? format)
    {
        ModelWeights weights = HuggingFaceModel.LoadWeights(folder, format);
        try
        {
            return new TextSource(weights, HasByteTokenizer(folder), EndTokens(folder));
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Weights.Dispose();

    private static bool HasByteTokenizer(string folder)
    {
        string path = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(path)) return false;
        using JsonDocument own = JsonDocument.Parse(ByteTokenizerFiles.All()["tokenizer.json"]);
        return Read(path, root => root.TryGetProperty("model", out JsonElement model) && JsonElement.DeepEquals(model, own.RootElement.GetProperty("model")));
    }

    private static HashSet<int> EndTokens(string folder)
    {
        foreach (string name in (string[])["generation_config.json", "config.json"])
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path) && Read(path, root => EndTokens(path, root)) is { } ends) return ends;
        }
        return [];
    }

    private static HashSet<int>? EndTokens(string path, JsonElement root)
    {
        if (!root.TryGetProperty("eos_token_id", out JsonElement ends) || ends.ValueKind == JsonValueKind.Null) return null;
        JsonElement[] ids = ends.ValueKind == JsonValueKind.Array ? [.. ends.EnumerateArray()] : [ends];
        return [.. ids.Select(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int number) ? number : throw new BadInputException($"{path}: eos_token_id", ends.GetRawText(), "a token id, or a list of them"))];
    }

    private static T Read<T>(string path, Func<JsonElement, T> read) => JsonFile.Read(path, "a file that can be read", "a JSON object", root =>
        root.ValueKind == JsonValueKind.Object ? read(root) : throw new BadInputException(path, $"JSON of kind {root.ValueKind}", "a JSON object"));
}
