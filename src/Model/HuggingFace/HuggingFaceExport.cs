using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Model;

/// <summary>What an export holds.</summary>
/// <param name="WithoutMtp">Whether the prediction module is left out.</param>
/// <param name="MaxShardBytes">Most bytes of tensors in one file, if a tensor is not larger by itself.</param>
/// <param name="IsBfloat16">Whether weights are rounded to bf16, to nearest even; router biases stay fp32, as in the released checkpoints.</param>
public sealed record ExportOptions(bool WithoutMtp = false, long MaxShardBytes = 5_000_000_000, bool IsBfloat16 = false);

/// <summary>
/// Writes a model as a Hugging Face folder: names, shapes and files as the released DeepSeek checkpoints have them, the prediction module as layer N with its
/// copies of the embedding and the head.
/// </summary>
public static class HuggingFaceExport
{
    private const int Block = 1 << 20;

    private static readonly string[] CopiedFiles =
    [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
        "chat_template.jinja",
    ];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes a folder, whole or not at all.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="destination">The folder, which must not exist or be empty.</param>
    /// <param name="options">What to write.</param>
    /// <param name="source">A Hugging Face folder that the model comes from: its tokenizer files are copied along, and the fields of its configuration that are
    /// not ours; null for none.</param>
    /// <param name="files">More files by name, for example a tokenizer; over those of the source.</param>
    /// <exception cref="BadInputException">The folder is not empty or cannot be written, or a parameter is not finite.</exception>
    public static void Write(ParameterLayout layout, NativeBuffer parameters, string destination, ExportOptions options, string? source = null,
        IReadOnlyDictionary<string, string>? files = null)
    {
        string folder = Path.GetFullPath(destination);
        if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new BadInputException(destination, "something that is there already", "a new or empty folder");
        string temporary = $"{folder.TrimEnd(Path.DirectorySeparatorChar)}.{Environment.ProcessId}.tmp";
        try
        {
            Directory.CreateDirectory(temporary);
            foreach (string name in CopiedFiles)
            {
                if (source is not null && Path.Combine(source, name) is var path && File.Exists(path)) File.Copy(path, Path.Combine(temporary, name));
            }
            foreach (var (name, text) in files ?? new Dictionary<string, string>()) File.WriteAllText(Path.Combine(temporary, name), text);
            WriteConfig(layout.Config, temporary, options, source);
            WriteTensors(Tensors(layout, parameters, options), temporary, options.MaxShardBytes);
            if (Directory.Exists(folder)) Directory.Delete(folder);
            Directory.Move(temporary, folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(destination, error.Message, "a folder that can be written", error);
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
    }

    private static void WriteConfig(ModelConfig config, string folder, ExportOptions options, string? source)
    {
        JsonObject? over = source is null ? null : JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        JsonObject json = (options.WithoutMtp ? config with { NumNextnPredictLayers = 0 } : config).ToHuggingFace(over);
        if (options.IsBfloat16) json["torch_dtype"] = "bfloat16";
        File.WriteAllText(Path.Combine(folder, "config.json"), json.ToJsonString(Indented) + "\n");
        string generation = Path.Combine(folder, "generation_config.json");
        if (File.Exists(generation)) return;
        var defaults = new JsonObject { ["_from_model_config"] = true };
        foreach (string name in (string[])["bos_token_id", "eos_token_id", "pad_token_id"])
        {
            if (json[name] is { } value) defaults[name] = value.DeepClone();
        }
        File.WriteAllText(generation, defaults.ToJsonString(Indented) + "\n");
    }

    /// <summary>The tensors in the order of their names, in which the reference writer stores them.</summary>
    private static List<SafetensorsContent> Tensors(ParameterLayout layout, NativeBuffer parameters, ExportOptions options)
    {
        string prefix = ModelConfig.LayerPrefix(layout.Config.NumHiddenLayers);
        IEnumerable<(string Name, ParameterInfo Parameter)> all = layout.Parameters.Select(p => (p.Name, p));
        all = options.WithoutMtp ? all.Where(tensor => !tensor.Name.StartsWith(prefix, StringComparison.Ordinal)) : all.Concat(HuggingFaceModel.SharedCopies(layout));
        return
        [
            .. all.OrderBy(tensor => tensor.Name, StringComparer.Ordinal).Select(tensor =>
            {
                bool isRounded = options.IsBfloat16 && tensor.Parameter.Kind != ParameterKind.RouterBias;
                return new SafetensorsContent(tensor.Name, isRounded ? "BF16" : "F32", tensor.Parameter.Shape, () => Content(tensor.Name, parameters, tensor.Parameter, isRounded));
            }),
        ];
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Content(string name, NativeBuffer parameters, ParameterInfo parameter, bool isRounded)
    {
        byte[] bytes = new byte[Math.Min(Block, parameter.Length) * sizeof(float)];
        for (long done = 0; done < parameter.Length; done += Block)
        {
            int count = (int)Math.Min(Block, parameter.Length - done);
            Span<float> values = parameters.Slice(parameter.Offset + done, count);
            CheckpointFiles.RequireFinite(name, values, done);
            if (isRounded) Bfloat16.Round(values, MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan()));
            else MemoryMarshal.AsBytes(values).CopyTo(bytes);
            yield return bytes.AsMemory(0, count * (isRounded ? sizeof(ushort) : sizeof(float)));
        }
    }

    private static void WriteTensors(List<SafetensorsContent> tensors, string folder, long maxBytes)
    {
        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        var shards = new List<List<SafetensorsContent>>();
        long bytes = 0;
        foreach (SafetensorsContent tensor in tensors)
        {
            if (shards.Count == 0 || bytes + tensor.Bytes > maxBytes)
            {
                shards.Add([]);
                bytes = 0;
            }
            shards[^1].Add(tensor);
            bytes += tensor.Bytes;
        }
        var map = new JsonObject();
        for (int i = 0; i < shards.Count; i++)
        {
            string name = shards.Count == 1 ? CheckpointFiles.SingleFile : FormattableString.Invariant($"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors");
            AtomicFile.Write(Path.Combine(folder, name), stream => SafetensorsFile.Write(stream, shards[i], metadata));
            foreach (SafetensorsContent tensor in shards[i]) map[tensor.Name] = name;
        }
        if (shards.Count == 1) return;
        var index = new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = tensors.Sum(tensor => tensor.Bytes) }, ["weight_map"] = map };
        File.WriteAllText(Path.Combine(folder, CheckpointFiles.IndexFile), index.ToJsonString(Indented) + "\n");
    }
}
