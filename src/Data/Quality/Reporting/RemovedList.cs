using System.Globalization;
using System.Text;

namespace ElasticTrain.Data.Quality;

/// <summary>A line of the list of all that went.</summary>
/// <param name="Key">Which document.</param>
/// <param name="Source">From which source.</param>
/// <param name="Rule">Why.</param>
/// <param name="Value">What was measured, if it is a number.</param>
/// <param name="Bytes">Text that went.</param>
/// <param name="KeptKey">The document that stays in its place, for a duplicate.</param>
public sealed record RemovedDocument(string Key, string Source, string Rule, double? Value, long Bytes, string? KeptKey);

/// <summary>
/// Writes the list as CSV (RFC 4180, UTF-8, line feeds). A spreadsheet program would compute cells that begin with = + - @ or their wide forms, with a tab or a line end: they get an apostrophe in
/// front, as OWASP advises. Characters that cannot be seen are shown as \u{1B}, so a record is one line.
/// </summary>
public static class RemovedList
{
    /// <summary>Writes a heading and a line for each document, in the order given.</summary>
    public static void Write(Stream to, IEnumerable<RemovedDocument> documents)
    {
        using var writer = new StreamWriter(to, new UTF8Encoding(false), 1 << 16, leaveOpen: true) { NewLine = "\n" };
        writer.WriteLine("key,source,rule,value,bytes,kept_key");
        foreach (RemovedDocument one in documents)
        {
            writer.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{Cell(one.Key)},{Cell(one.Source)},{Cell(one.Rule)},{one.Value},{one.Bytes},{(one.KeptKey is null ? "" : Cell(one.KeptKey))}"));
        }
    }

    /// <summary>A quoted cell.</summary>
    internal static string Cell(string text)
    {
        bool isFormula = text.AsSpan().TrimStart() is [var first, ..] && first is '=' or '+' or '-' or '@' or '＝' or '＋' or '－' or '＠';
        isFormula |= text is ['\t' or '\r' or '\n', ..];
        return $"\"{(isFormula ? "'" : "")}{TerminalText.Escape(text).Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
