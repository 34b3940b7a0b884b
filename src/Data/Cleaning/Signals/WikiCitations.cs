using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Marks that Wikipedia's pages leave in text.</summary>
internal static class WikiCitations
{
    /// <summary>The line without <c>[]</c>, <c>[1]</c>, <c>[edit]</c>, <c>[citation needed]</c>; null if there is none.</summary>
    internal static string? Cut(ReadOnlySpan<char> line, out int citations)
    {
        citations = 0;
        StringBuilder? result = null;
        int copied = 0;
        for (int at = 0; at < line.Length; at++)
        {
            int found = line[at..].IndexOf('[');
            if (found < 0) break;
            at += found;
            int length = LengthAt(line[at..]);
            if (length == 0) continue;
            result ??= new StringBuilder(line.Length);
            result.Append(line[copied..at]);
            copied = at + length;
            at = copied - 1;
            citations++;
        }
        return result?.Append(line[copied..]).ToString();
    }

    private static int LengthAt(ReadOnlySpan<char> text)
    {
        if (text.StartsWith("[edit]", StringComparison.Ordinal)) return 6;
        if (text.StartsWith("[citation needed]", StringComparison.Ordinal)) return 17;
        int end = 1;
        while (end < text.Length && char.IsDigit(text[end])) end++;
        return end < text.Length && text[end] == ']' ? end + 1 : 0;
    }
}
