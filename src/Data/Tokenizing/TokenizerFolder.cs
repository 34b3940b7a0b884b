using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// A vocabulary as files: tokenizer.json as Hugging Face's tokenizers library reads it, vocab.json and merges.txt as GPT-2's, tokenizer.tiktoken
/// with the ordinary tokens' ranks. Ids are the same in all of them.
/// </summary>
public static class TokenizerFolder
{
    /// <summary>The file from which a vocabulary is read.</summary>
    public const string FileName = "tokenizer.json";

    private static readonly JsonWriterOptions Json = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Throws unless a folder can be written: before what takes long.</summary>
    /// <exception cref="BadInputException">It is there and not empty, or a file.</exception>
    public static void CheckTarget(string folder)
    {
        if (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()))
            throw new BadInputException(folder, "something that is there already", "a new or empty folder");
    }

    /// <summary>Writes a folder, whole or not at all.</summary>
    /// <exception cref="BadInputException">The folder is not empty or cannot be written.</exception>
    public static void Write(TokenizerModel model, string folder)
    {
        CheckTarget(folder);
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)), temporary = $"{target}.{Environment.ProcessId}-{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(temporary);
            AtomicFile.Write(Path.Combine(temporary, FileName), stream => WriteJson(stream, json => WriteTokenizer(json, model)));
            AtomicFile.Write(Path.Combine(temporary, "vocab.json"), stream => WriteJson(stream, json => WriteVocabulary(json, model, withSpecials: true)));
            AtomicFile.Write(Path.Combine(temporary, "merges.txt"), stream => WriteLines(stream, Merges(model).Prepend("#version: 0.2")));
            AtomicFile.Write(Path.Combine(temporary, "tokenizer.tiktoken"), stream => WriteRanks(model, stream));
            if (Directory.Exists(target)) Directory.Delete(target);
            Directory.Move(temporary, target);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(folder, error.Message, "a folder that can be written", error);
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>Reads a vocabulary, ours or another of the same kind.</summary>
    /// <param name="path">A tokenizer.json, or a folder with one.</param>
    /// <exception cref="BadInputException">There is none, or it does what this version does not.</exception>
    public static TokenizerModel Read(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        return JsonFile.Read(file, "a tokenizer.json, or a folder with one", "a tokenizer in JSON", root => new TokenizerJson(file).Read(root));
    }

    /// <summary>The ordinary tokens, one a line: bytes in base64 and rank.</summary>
    internal static void WriteRanks(TokenizerModel model, Stream stream) => WriteLines(
        stream, model.Tokens.Select((token, id) => (token, id)).Where(item => item.token is not null).Select(item => $"{Convert.ToBase64String(item.token!)} {item.id}"));

    private static IEnumerable<string> Merges(TokenizerModel model) =>
        model.Merges.Select(merge => $"{ByteStandIns.Of(model.BytesOf(merge.Left))} {ByteStandIns.Of(model.BytesOf(merge.Right))}");

    private static void WriteLines(Stream stream, IEnumerable<string> lines)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true) { NewLine = "\n" };
        foreach (string line in lines) writer.WriteLine(line);
    }

    private static void WriteJson(Stream stream, Action<Utf8JsonWriter> write)
    {
        using (var json = new Utf8JsonWriter(stream, Json)) write(json);
        stream.WriteByte((byte)'\n');
    }

    private static void WriteTokenizer(Utf8JsonWriter json, TokenizerModel model)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        foreach (SpecialToken special in model.Specials)
        {
            json.WriteStartObject();
            json.WriteNumber("id", special.Id);
            json.WriteString("content", special.Text);
            foreach (string name in (string[])["single_word", "lstrip", "rstrip", "normalized"]) json.WriteBoolean(name, false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNull("normalizer");
        json.WritePropertyName("pre_tokenizer");
        WritePreTokenizer(json, model.PreTokenization);
        json.WriteNull("post_processor");
        json.WritePropertyName("decoder");
        WriteByteLevel(json, withExpression: true);
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (string name in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"]) json.WriteNull(name);
        foreach (string name in (string[])["fuse_unk", "byte_fallback", "ignore_merges"]) json.WriteBoolean(name, false);
        json.WritePropertyName("vocab");
        WriteVocabulary(json, model, withSpecials: false);
        json.WriteStartArray("merges");
        foreach (string merge in Merges(model)) json.WriteStringValue(merge);
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteVocabulary(Utf8JsonWriter json, TokenizerModel model, bool withSpecials)
    {
        var specials = model.Specials.ToDictionary(special => special.Id, special => special.Text);
        json.WriteStartObject();
        for (int id = 0; id < model.VocabSize; id++)
        {
            if (model.Tokens[id] is { } token) json.WriteNumber(ByteStandIns.Of(token), id);
            else if (withSpecials && specials.TryGetValue(id, out string? text)) json.WriteNumber(text, id);
        }
        json.WriteEndObject();
    }

    private static void WritePreTokenizer(Utf8JsonWriter json, PreTokenization rules)
    {
        if (rules == PreTokenization.Gpt2)
        {
            // Its expression is built into ByteLevel.
            WriteByteLevel(json, withExpression: true);
            return;
        }
        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        foreach (string expression in rules.Expressions())
        {
            json.WriteStartObject();
            json.WriteString("type", "Split");
            json.WriteStartObject("pattern");
            json.WriteString("Regex", expression);
            json.WriteEndObject();
            json.WriteString("behavior", "Isolated");
            json.WriteBoolean("invert", false);
            json.WriteEndObject();
        }
        WriteByteLevel(json, withExpression: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, bool withExpression)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", withExpression);
        json.WriteEndObject();
    }
}
