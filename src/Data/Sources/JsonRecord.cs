using System.Text;
using System.Text.Json;

namespace ElasticTrain.Data.Sources;

/// <summary>Takes one line of JSON apart. An instance remembers names of fields and serves one thread.</summary>
/// <param name="textFields">Names of the field with the text, the preferred first.</param>
internal sealed class JsonRecord(IReadOnlyList<string> textFields)
{
    /// <summary>Few enough that comparing each with each costs nothing; with more names a set finds those that come twice.</summary>
    private const int FewFields = 32, MostNames = 256;

    private readonly byte[][] _candidates = [.. textFields.Append("prompt").Append("completion").Select(Encoding.UTF8.GetBytes)];
    private readonly string?[] _texts = new string?[textFields.Count + 2];
    private readonly List<string> _names = [];
    private readonly List<KeyValuePair<string, string>> _metadata = [];

    /// <summary>What a line holds: a text, or what is wrong.</summary>
    internal readonly record struct Parsed(string Text, int PromptChars, SourceMetadata Metadata, QuarantineKind Kind, string? Problem)
    {
        internal static Parsed Bad(QuarantineKind kind, string problem) => new("", 0, SourceMetadata.None, kind, problem);
    }

    /// <summary>Reads a line that is known to be UTF-8.</summary>
    /// <param name="line">The line.</param>
    /// <param name="more">Metadata that goes behind the record's own.</param>
    internal Parsed Read(ReadOnlySpan<byte> line, SourceMetadata more)
    {
        Array.Clear(_texts);
        _metadata.Clear();
        try
        {
            var reader = new Utf8JsonReader(line);
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject) return Parsed.Bad(QuarantineKind.Malformed, $"a JSON {reader.TokenType}, expected one JSON object a line");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (Field(ref reader, line) is { } problem) return Parsed.Bad(QuarantineKind.Malformed, problem);
            }
            // Beyond the object's end only white space is JSON.
            reader.Read();
        }
        catch (JsonException error)
        {
            return Parsed.Bad(QuarantineKind.Malformed, $"no JSON: {Excerpt.Of(error.Message)}");
        }
        catch (InvalidOperationException)
        {
            // What the reader says of half a surrogate pair, the only fault that UTF-8 and the grammar allow.
            return Parsed.Bad(QuarantineKind.Malformed, "half of a surrogate pair, expected valid Unicode");
        }
        return Twice() is { } name ? Parsed.Bad(QuarantineKind.Malformed, $"the field {Excerpt.Of(name)} twice") : Result(more);
    }

    /// <summary>Reads a field; the problem if there is one.</summary>
    private string? Field(ref Utf8JsonReader reader, ReadOnlySpan<byte> line)
    {
        int candidate = Candidate(ref reader);
        if (candidate < 0)
        {
            string name = Name(ref reader);
            reader.Read();
            _metadata.Add(new(name, Value(ref reader, line)));
            return null;
        }
        string field = Encoding.UTF8.GetString(_candidates[candidate]);
        reader.Read();
        if (_texts[candidate] is not null) return $"the field {field} twice";
        if (reader.TokenType != JsonTokenType.String) return $"{Excerpt.Of(field)} is a JSON {reader.TokenType}, expected a string";
        _texts[candidate] = reader.GetString();
        return null;
    }

    private int Candidate(ref Utf8JsonReader reader)
    {
        for (int i = 0; i < _candidates.Length; i++)
            if (reader.ValueTextEquals(_candidates[i])) return i;
        return -1;
    }

    /// <summary>The name, as the same string for every record.</summary>
    private string Name(ref Utf8JsonReader reader)
    {
        foreach (string known in _names)
            if (reader.ValueTextEquals(known)) return known;
        string name = reader.GetString()!;
        if (_names.Count < MostNames) _names.Add(name);
        return name;
    }

    /// <summary>Strings as they are, everything else as JSON.</summary>
    private static string Value(ref Utf8JsonReader reader, ReadOnlySpan<byte> line)
    {
        if (reader.TokenType == JsonTokenType.String) return reader.GetString()!;
        int start = (int)reader.TokenStartIndex;
        reader.Skip();
        return Encoding.UTF8.GetString(line[start..(int)reader.BytesConsumed]);
    }

    private string? Twice()
    {
        if (_metadata.Count > FewFields)
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            return _metadata.Find(item => !seen.Add(item.Key)).Key;
        }
        for (int i = 1; i < _metadata.Count; i++)
            for (int j = 0; j < i; j++)
                if (string.Equals(_metadata[i].Key, _metadata[j].Key, StringComparison.Ordinal)) return _metadata[i].Key;
        return null;
    }

    private Parsed Result(SourceMetadata more)
    {
        int prompt = textFields.Count, completion = prompt + 1;
        int chosen = Array.FindIndex(_texts, 0, textFields.Count, text => text is not null);
        if (chosen < 0 && (_texts[prompt] is null || _texts[completion] is null))
        {
            var found = _metadata.Select(item => item.Key).Concat(_texts.Index().Where(text => text.Item is not null).Select(text => Encoding.UTF8.GetString(_candidates[text.Index])));
            return Parsed.Bad(QuarantineKind.NoText, $"the fields {Excerpt.Of(string.Join(", ", found))}, expected {string.Join(" or ", textFields)}, or prompt and completion");
        }
        string text = chosen < 0 ? _texts[prompt] + _texts[completion] : _texts[chosen]!;
        if (text.Length == 0) return Parsed.Bad(QuarantineKind.NoText, "an empty text");
        for (int i = 0; i < _texts.Length; i++)
            if (chosen >= 0 && i != chosen && _texts[i] is { } other) _metadata.Add(new(Encoding.UTF8.GetString(_candidates[i]), other));
        _metadata.AddRange(more);
        return new Parsed(text, chosen < 0 ? _texts[prompt]!.Length : 0, _metadata.Count == 0 ? SourceMetadata.None : new SourceMetadata([.. _metadata]), default, null);
    }
}
