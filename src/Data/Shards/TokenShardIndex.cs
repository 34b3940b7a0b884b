using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>The content of a token shard folder's index.json: what the .bin files hold, and what they must hash to.</summary>
internal sealed record TokenShardIndex
{
    internal const string FileName = "index.json";
    internal const string CurrentFormat = "elastictrain-tokens/1";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public required string Format { get; init; }
    public required int VocabSize { get; init; }
    public required int BytesPerToken { get; init; }
    public required long TokenCount { get; init; }
    public required long Documents { get; init; }
    public required long TextBytes { get; init; }
    public required string ContentHash { get; init; }
    public required ShardFile[] Files { get; init; }
    public ShardFile? Mask { get; init; }

    /// <summary>One file of the folder.</summary>
    public sealed record ShardFile
    {
        public required string Name { get; init; }
        public required long Tokens { get; init; }
        public required string Sha256 { get; init; }
    }

    /// <summary>Bytes that a file of the given number of tokens has.</summary>
    internal long TokenBytes(ShardFile file) => file.Tokens * BytesPerToken;

    internal static long MaskBytes(long tokens) => (tokens + 7) / 8;

    /// <summary>
    /// The hash of the data itself. It does not depend on how the tokens are spread over files, so re-sharding is no change of the data.
    /// </summary>
    internal static Digest256 Content(int vocabSize, int bytesPerToken, long tokenCount, Digest256 tokens, Digest256? mask)
    {
        using var builder = new DigestBuilder();
        builder.Add(CurrentFormat).Add(vocabSize).Add(bytesPerToken).Add(tokenCount).Add(tokens).Add(mask is null ? 0 : 1);
        if (mask is { } digest) builder.Add(digest);
        return builder.Finish();
    }

    internal void Save(string directory) =>
        AtomicFile.Write(Path.Combine(directory, FileName), JsonSerializer.SerializeToUtf8Bytes(this, Json));

    internal static TokenShardIndex Load(string directory)
    {
        string path = Path.Combine(directory, FileName);
        if (!File.Exists(path)) throw new BadInputException(directory, $"no {FileName}", "a folder of token shards with its index");
        TokenShardIndex index;
        try
        {
            index = JsonSerializer.Deserialize<TokenShardIndex>(File.ReadAllBytes(path), Json)
                ?? throw new CorruptionException(path, "null", "a token shard index");
        }
        catch (JsonException error)
        {
            throw new CorruptionException(path, error.Message, "a token shard index");
        }
        index.Check(path);
        return index;
    }

    private void Check(string path)
    {
        if (Format != CurrentFormat) throw new BadInputException($"{path}: format", $"\"{Format}\"", $"\"{CurrentFormat}\"");
        if (VocabSize < 1) throw new CorruptionException($"{path}: vocabSize", $"{VocabSize}", "at least 1");
        if (BytesPerToken != WidthOf(VocabSize)) throw new CorruptionException($"{path}: bytesPerToken", $"{BytesPerToken}", $"{WidthOf(VocabSize)}");
        if (Files.Any(file => file.Tokens < 1) || Files.Sum(file => file.Tokens) != TokenCount)
            throw new CorruptionException($"{path}: files", $"{Files.Sum(file => file.Tokens)} tokens", $"{TokenCount}");
        if (Mask is { } mask && mask.Tokens != TokenCount) throw new CorruptionException($"{path}: mask", $"{mask.Tokens} tokens", $"{TokenCount}");
        foreach (var file in Mask is null ? Files : [.. Files, Mask])
        {
            if (Path.GetFileName(file.Name) != file.Name) throw new CorruptionException(path, $"the file name \"{file.Name}\"", "a name without a folder");
        }
    }

    /// <summary>Bytes per token: the smallest of 2 and 4 that holds every id.</summary>
    internal static int WidthOf(int vocabSize) => vocabSize <= 1 << 16 ? sizeof(ushort) : sizeof(uint);
}
