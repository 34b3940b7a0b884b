using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>The content of corpus.json: written last, so a folder that has it holds a finished corpus.</summary>
internal sealed record CorpusSeal
{
    internal const string FileName = "corpus.json";
    private const string CurrentFormat = "elastictrain-corpus/1";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public string Format { get; init; } = CurrentFormat;
    public required string Folder { get; init; }
    public required string Description { get; init; }
    public required string ContentHash { get; init; }
    public required string TokenizerHash { get; init; }
    public required string? Input { get; init; }
    public required double ValidationShare { get; init; }
    public required ulong Seed { get; init; }
    public required long? MaxBytes { get; init; }

    internal void Save(string directory) => AtomicFile.Write(Path.Combine(directory, FileName), JsonSerializer.SerializeToUtf8Bytes(this, Json));

    /// <summary>The seal of a folder, or null if there is none.</summary>
    internal static CorpusSeal? TryLoad(string directory)
    {
        string path = Path.Combine(directory, FileName);
        if (!File.Exists(path)) return null;
        try
        {
            var seal = JsonSerializer.Deserialize<CorpusSeal>(File.ReadAllBytes(path), Json) ?? throw new CorruptionException(path, "null", "a corpus");
            if (seal.Format != CurrentFormat) throw new BadInputException($"{path}: format", $"\"{seal.Format}\"", $"\"{CurrentFormat}\"");
            if (Path.GetFileName(seal.Folder) != seal.Folder) throw new CorruptionException($"{path}: folder", seal.Folder, "a name without a folder");
            return seal;
        }
        catch (JsonException error)
        {
            throw new CorruptionException(path, error.Message, "a corpus");
        }
    }

    /// <summary>Throws unless this corpus was made with the same options.</summary>
    internal void Check(string directory, CorpusOptions options)
    {
        Compare("input", Input ?? "the .NET reference documentation", FullInput(options) ?? "the .NET reference documentation");
        Compare("validation share", FormattableString.Invariant($"{ValidationShare}"), FormattableString.Invariant($"{options.ValidationShare}"));
        Compare("seed", $"{Seed}", $"{options.Seed}");
        Compare("max bytes", $"{MaxBytes?.ToString() ?? "all"}", $"{options.MaxBytes?.ToString() ?? "all"}");

        void Compare(string name, string found, string expected)
        {
            if (found == expected) return;
            throw new BadInputException(
                $"{directory}: {name} of the corpus prepared there", found, $"{expected} (delete the folder, or choose another, to prepare it anew)");
        }
    }

    internal static string? FullInput(CorpusOptions options) =>
        options.Input is null ? null : Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Input));
}
