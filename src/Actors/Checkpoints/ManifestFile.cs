using System.Buffers;
using System.Text;
using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>
/// The JSON of a manifest. There is exactly one text for a manifest, and it ends with its own SHA-256, so that any damage shows.
/// </summary>
internal static class ManifestFile
{
    private const string Format = "elastictrain-checkpoint/1";

    internal static byte[] Write(CheckpointManifest manifest)
    {
        Digest256 own = Digest256.Of(Text(manifest, null));
        return Text(manifest, own);
    }

    /// <summary>Reads a manifest.</summary>
    /// <exception cref="CorruptionException">The text is torn, changed, or of another format.</exception>
    internal static CheckpointManifest Read(string path, ReadOnlySpan<byte> content)
    {
        CheckpointManifest manifest;
        try
        {
            using var document = JsonDocument.Parse(content.ToArray());
            JsonElement root = document.RootElement;
            string? format = root.GetProperty("format").GetString();
            if (format != Format) throw new CorruptionException(path, $"format \"{format}\"", Format);
            manifest = new CheckpointManifest(
                new Step(root.GetProperty("step").GetInt64()), Digest(root, "lineage"), Digest(root, "planHash"),
                root.GetProperty("optimizerStep").GetInt64(), [.. root.GetProperty("blobs").EnumerateArray().Select(Blob)]);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new CorruptionException(path, $"{content.Length} bytes that are no manifest ({error.Message})", "a complete manifest");
        }
        if (!content.SequenceEqual(Write(manifest)))
            throw new CorruptionException(path, "content that its own SHA-256 does not match", "the manifest as it was written");
        return manifest;
    }

    private static BlobReference Blob(JsonElement blob) =>
        new(new ShardId(blob.GetProperty("shard").GetInt32()), Digest(blob, "hash"), blob.GetProperty("bytes").GetInt64());

    private static Digest256 Digest(JsonElement element, string name) => Digest256.Parse(element.GetProperty(name).GetString() ?? "");

    private static byte[] Text(CheckpointManifest manifest, Digest256? own)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("step", manifest.Step.Value);
            json.WriteString("lineage", manifest.Lineage.ToString());
            json.WriteString("planHash", manifest.PlanHash.ToString());
            json.WriteNumber("optimizerStep", manifest.OptimizerStep);
            json.WriteStartArray("blobs");
            foreach (var blob in manifest.Blobs)
            {
                json.WriteStartObject();
                json.WriteNumber("shard", blob.Shard.Value);
                json.WriteString("hash", blob.Hash.ToString());
                json.WriteNumber("bytes", blob.Bytes);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteString("state", manifest.StateDigest.ToString());
            if (own is { } digest) json.WriteString("sha256", digest.ToString());
            json.WriteEndObject();
        }
        return [.. buffer.WrittenSpan, (byte)'\n'];
    }
}
