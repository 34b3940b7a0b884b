namespace ElasticTrain.Data;

/// <summary>Text in .NET's own encoding.</summary>
internal static class Utf16
{
    /// <summary>Whether every half of a surrogate pair has its other half.</summary>
    internal static bool IsValid(ReadOnlySpan<char> text)
    {
        for (int at; (at = text.IndexOfAnyInRange('\uD800', '\uDFFF')) >= 0; text = text[(at + 2)..])
            if (at + 1 == text.Length || !char.IsSurrogatePair(text[at], text[at + 1])) return false;
        return true;
    }
}
