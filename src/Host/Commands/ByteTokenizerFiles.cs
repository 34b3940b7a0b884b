using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using ElasticTrain.Data;

namespace ElasticTrain.Host.Commands;

/// <summary>
/// The byte-level tokenizer as the files that Hugging Face's tokenizers library reads: a byte-pair encoding without merges over the usual printable stand-ins of
/// the 256 bytes (Radford et al., GPT-2).
/// </summary>
internal static class ByteTokenizerFiles
{
    private const string EndOfDocument = "<|endoftext|>";

    /// <summary>The files by name.</summary>
    internal static IReadOnlyDictionary<string, string> All() => new Dictionary<string, string>
    {
        ["tokenizer.json"] = Tokenizer().ToJsonString(Indented) + "\n",
        ["tokenizer_config.json"] = new JsonObject { ["tokenizer_class"] = "PreTrainedTokenizerFast", ["eos_token"] = EndOfDocument }.ToJsonString(Indented) + "\n",
        ["generation_config.json"] = new JsonObject { ["eos_token_id"] = ByteTokenizer.EndOfDocument }.ToJsonString(Indented) + "\n",
    };

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static JsonObject Tokenizer()
    {
        var vocabulary = new JsonObject();
        for (int value = 0; value < ByteTokenizer.ByteCount; value++) vocabulary[ByteStandIns.Of((byte)value).ToString()] = value;
        var added = new JsonArray();
        for (int id = ByteTokenizer.EndOfDocument; id < ByteTokenizer.VocabSize; id++)
        {
            string name = id == ByteTokenizer.EndOfDocument ? EndOfDocument : string.Create(CultureInfo.InvariantCulture, $"<|reserved_{id}|>");
            added.Add(new JsonObject { ["id"] = id, ["content"] = name, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true });
        }
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = null,
            ["pre_tokenizer"] = ByteLevel(),
            ["post_processor"] = null,
            ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() },
        };
    }

    private static JsonObject ByteLevel() => new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = false, ["use_regex"] = false };
}
