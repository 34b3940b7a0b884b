using System.Text;
using System.Text.Json;

namespace ElasticTrain.Data.Tests;

/// <summary>What Hugging Face's library makes of a text: see golden.js.</summary>
internal sealed record Golden(string[] Merges, Golden.Cut[] Texts)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    internal static Golden Of(PreTokenization rules) => JsonSerializer.Deserialize<Golden>(Resource($"{rules.Name()}.json"), Json)!;

    /// <summary>The text that the merges are learned from, one document a line, as that library reads files.</summary>
    internal static ReadOnlyMemory<byte>[] Lines()
    {
        string text = Encoding.UTF8.GetString(Resource("corpus.txt"));
        return RandomText.Documents(text.TrimEnd('\n').Split('\n').Select(line => line + "\n"));
    }

    private static byte[] Resource(string name)
    {
        using Stream stream = typeof(Golden).Assembly.GetManifestResourceStream($"Golden.{name}") ?? throw new InvalidOperationException($"There is no {name}.");
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    /// <summary>A text and its pieces, written in the stand-ins of their bytes.</summary>
    internal sealed record Cut(string Text, string[] Pieces);
}
