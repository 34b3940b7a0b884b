using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>Reads documents from any file or folder: text, JSON lines, XML documentation.</summary>
internal static class TextSource
{
    private static readonly HashSet<string> Extensions = new(
        [.. Sources.SourceFormats.TextExtensions, ".csv", ".tsv", ".jsonl", ".json", ".html", ".htm"], StringComparer.OrdinalIgnoreCase);

    /// <summary>Everything usable in a file or folder. Of a folder: files with a text extension, hidden ones and links left out, by relative path.</summary>
    /// <exception cref="BadInputException">There is no such file, nothing usable in it, or a file that is not what it should be.</exception>
    internal static List<Document> Read(string input)
    {
        List<string> files;
        if (File.Exists(input)) files = [input];
        else if (Directory.Exists(input)) files = FilesOf(input);
        else throw new BadInputException(input, "no such file or folder", "text, JSON lines or XML documentation");

        var texts = new List<byte[]>();
        var documents = new List<Document>();
        var documentation = new List<(string, byte[])>();
        foreach (string file in files)
        {
            byte[] content = File.ReadAllBytes(file);
            string extension = Path.GetExtension(file).ToLowerInvariant();
            if (extension == ".xml" && XmlDocumentation.Is(content)) documentation.Add((file, content));
            else if (extension == ".jsonl") JsonLines(file, content, documents);
            else texts.Add(CheckedText(file, content));
        }
        documents.AddRange(XmlDocumentation.Documents(documentation));
        documents.AddRange(TextSections.Cut(texts));
        if (documents.Count == 0) throw new BadInputException(input, "no text", "at least one file with text in it");
        return documents;
    }

    /// <summary>The files of a folder with a text extension, hidden ones and links left out, by relative path.</summary>
    internal static List<string> FilesOf(string directory)
    {
        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            IgnoreInaccessible = false,
            AttributesToSkip = FileAttributes.Hidden | FileAttributes.System | FileAttributes.ReparsePoint,
        };
        return
        [
            .. Directory.EnumerateFiles(directory, "*", options)
                .Where(file => Extensions.Contains(Path.GetExtension(file)))
                .Select(file => (Path: file, Key: Path.GetRelativePath(directory, file).Replace('\\', '/')))
                .OrderBy(file => file.Key, StringComparer.Ordinal)
                .Select(file => file.Path),
        ];
    }

    /// <summary>The bytes without a byte order mark, once they are known to be UTF-8.</summary>
    private static byte[] CheckedText(string file, byte[] content)
    {
        int start = content.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
        int bad = InvalidUtf8At(content);
        if (bad >= 0) throw new BadInputException($"{file}, offset {bad}", $"the byte 0x{content[bad]:X2}", "UTF-8");
        return start == 0 ? content : content[start..];
    }

    /// <summary>Where the first byte stands that is no UTF-8; -1 if there is none.</summary>
    internal static int InvalidUtf8At(ReadOnlySpan<byte> content)
    {
        if (Utf8.IsValid(content)) return -1;
        for (int at = 0; ;)
        {
            if (Rune.DecodeFromUtf8(content[at..], out _, out int consumed) != System.Buffers.OperationStatus.Done) return at;
            at += consumed;
        }
    }

    private static void JsonLines(string file, byte[] content, List<Document> documents)
    {
        var text = CheckedText(file, content).AsMemory();
        for (int line = 1; !text.IsEmpty; line++)
        {
            int end = text.Span.IndexOf((byte)'\n');
            var one = end < 0 ? text : text[..end];
            text = end < 0 ? default : text[(end + 1)..];
            if (ParseLine(one, $"{file}, line {line}") is { } document) documents.Add(document);
        }
    }

    /// <summary>The document of one line of JSON; null if it has no text.</summary>
    internal static Document? ParseLine(ReadOnlyMemory<byte> line, string where)
    {
        if (line.Span.Trim(" \t\r"u8).IsEmpty) return null;
        try
        {
            using var json = JsonDocument.Parse(line);
            return ReadLine(json.RootElement, where);
        }
        catch (JsonException error)
        {
            throw new BadInputException(where, error.Message, "one JSON object per line", error);
        }
    }

    private static Document? ReadLine(JsonElement json, string where)
    {
        const string Expected = "{\"text\": ...} or {\"prompt\": ..., \"completion\": ...}";
        if (json.ValueKind != JsonValueKind.Object) throw new BadInputException(where, json.ValueKind.ToString(), Expected);
        if (Field("text") is { } text) return text.Length == 0 ? null : TextSections.Document(Encoding.UTF8.GetBytes(text));
        if (Field("prompt") is { } prompt && Field("completion") is { } completion)
        {
            // The split goes by the prompt alone, so that two completions of one prompt cannot end on both sides.
            byte[] promptBytes = Encoding.UTF8.GetBytes(prompt), bytes = [.. promptBytes, .. Encoding.UTF8.GetBytes(completion)];
            return bytes.Length == 0 ? null : new Document($"prompt:{Digest256.Of(promptBytes)}", $"text:{Digest256.Of(bytes)}", bytes, promptBytes.Length);
        }
        throw new BadInputException(where, $"the fields {string.Join(", ", json.EnumerateObject().Select(field => field.Name))}", Expected);

        string? Field(string name)
        {
            if (!json.TryGetProperty(name, out var value)) return null;
            if (value.ValueKind != JsonValueKind.String) throw new BadInputException($"{where}: {name}", value.ValueKind.ToString(), "a string");
            try
            {
                return value.GetString();
            }
            catch (InvalidOperationException error)
            {
                throw new BadInputException($"{where}: {name}", "half of a surrogate pair", "valid Unicode", error);
            }
        }
    }
}
