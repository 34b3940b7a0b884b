using System.Text.Json;

namespace ElasticTrain.Core;

/// <summary>
/// JSON of which every reader sees the same: a key that comes twice, of which some readers take the first and some the last, and half of a surrogate pair,
/// which is no text at all, are refused.
/// </summary>
internal static class StrictJson
{
    /// <summary>Parses UTF-8 text.</summary>
    /// <exception cref="JsonException">It is no such JSON.</exception>
    internal static JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        Check(text.Span);
        return JsonDocument.Parse(text);
    }

    private static void Check(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text);
        var open = new Stack<HashSet<string>>();
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject: open.Push(new HashSet<string>(StringComparer.Ordinal)); break;
                case JsonTokenType.EndObject: open.Pop(); break;
                case JsonTokenType.String: Text(ref reader); break;
                case JsonTokenType.PropertyName when Text(ref reader) is var name && !open.Peek().Add(name): throw new JsonException($"the key \"{name}\" twice in one object");
            }
        }
    }

    private static string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw new JsonException($"half of a surrogate pair, or a byte that is no UTF-8, in the text at byte {reader.TokenStartIndex}", error);
        }
    }
}
