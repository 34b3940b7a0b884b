namespace ElasticTrain.Data.Cleaning;

/// <summary>Halves of surrogate pairs.</summary>
internal static class Surrogates
{
    /// <summary>Replaces each half without its other half by U+FFFD.</summary>
    internal static string Repair(string text, out int repaired)
    {
        repaired = 0;
        if (Utf16.IsValid(text)) return text;
        char[] result = text.ToCharArray();
        for (int at = 0; at < result.Length; at++)
        {
            if (!char.IsSurrogate(result[at])) continue;
            if (at + 1 < result.Length && char.IsSurrogatePair(result[at], result[at + 1]))
            {
                at++;
                continue;
            }
            result[at] = '\uFFFD';
            repaired++;
        }
        return new string(result);
    }
}
