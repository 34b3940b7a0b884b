using System.Buffers;

namespace ElasticTrain.Data.Cleaning;

/// <summary>White space that says nothing.</summary>
internal static class Whitespace
{
    private const int MostBlankLines = 2;

    /// <summary>
    /// Removes white space at line ends, blank lines at the beginning and at the end (one line end stays if there was one), and blank lines beyond the
    /// second in a row.
    /// </summary>
    internal static string Trim(string text, out int removed)
    {
        removed = 0;
        if (!NeedsTrim(text)) return text;
        char[] result = ArrayPool<char>.Shared.Rent(text.Length + 1);
        int length = 0, blank = 0;
        for (int start = 0; start < text.Length;)
        {
            int found = text.AsSpan(start).IndexOf('\n'), end = found < 0 ? text.Length : start + found;
            ReadOnlySpan<char> line = text.AsSpan(start, end - start).TrimEnd();
            if (line.IsEmpty) blank++;
            else
            {
                if (length > 0) result.AsSpan(length, blank = Math.Min(blank, MostBlankLines)).Fill('\n');
                length += length > 0 ? blank : 0;
                line.CopyTo(result.AsSpan(length));
                length += line.Length;
                result[length++] = '\n';
                blank = 0;
            }
            start = end + 1;
        }
        if (length > 0 && text[^1] != '\n' && !EndsBlank(text)) length--;
        string trimmed = new(result, 0, length);
        ArrayPool<char>.Shared.Return(result);
        removed = text.Length - length;
        return removed == 0 ? text : trimmed;
    }

    // Blanks after the last line end hide it.
    private static bool EndsBlank(ReadOnlySpan<char> text) => text[(text.LastIndexOf('\n') + 1)..].TrimEnd().IsEmpty;

    private static bool NeedsTrim(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return false;
        if (text[0] == '\n' || char.IsWhiteSpace(text[^1]) && (text[^1] != '\n' || text.Length == 1)) return true;
        int blank = 0;
        for (ReadOnlySpan<char> rest = text; ;)
        {
            int end = rest.IndexOf('\n');
            if (end < 0) return false;
            if (end > 0 && char.IsWhiteSpace(rest[end - 1])) return true;
            blank = end == 0 ? blank + 1 : 0;
            if (blank > MostBlankLines) return true;
            rest = rest[(end + 1)..];
            if (rest.IsEmpty) return blank > 0;
        }
    }
}
