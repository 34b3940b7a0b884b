using System.Text;
using AngleSharp.Html.Parser;

namespace ElasticTrain.Data.Sources;

/// <summary>Reads a web page: its main text, with the title as metadata.</summary>
internal static class HtmlReader
{
    /// <summary>Where a page says what it is in (HTML standard, "prescan a byte stream": the first 1024 bytes).</summary>
    private const int DeclarationBytes = 1024;

    internal static IEnumerable<SourceItem> Read(SourceFile file, SourceOptions options)
    {
        var whole = WholeText.Read(file, options, Math.Min(options.MaxHtmlBytes, options.MaxRecordBytes), Declared);
        yield return whole.Problem ?? Document(file, whole.Text, whole.Metadata);
    }

    private static SourceItem Document(SourceFile file, string html, SourceMetadata encoding)
    {
        if (HtmlNesting.IsTooDeep(html)) return FileItems.Problem(file, QuarantineKind.Malformed, $"elements nested more than {HtmlNesting.Deepest} deep", Excerpt.Of(html));
        using var page = new HtmlParser().ParseDocument(html);
        string title = HtmlText.Collapse(page.Title ?? "");
        var metadata = title.Length == 0 ? encoding : new SourceMetadata([new("title", title), .. encoding]);
        return FileItems.Document(file, HtmlText.Of(page), metadata);
    }

    private static Encoding? Declared(ReadOnlySpan<byte> page)
    {
        string head = Encoding.Latin1.GetString(page[..Math.Min(page.Length, DeclarationBytes)]);
        int at = head.IndexOf("charset", StringComparison.OrdinalIgnoreCase);
        if (at < 0) return null;
        string name = new([.. head[(at + "charset".Length)..].SkipWhile(c => c is ' ' or '=' or '"' or '\'').TakeWhile(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')]);
        // The encoding standard reads these labels as windows-1252.
        if (name.ToUpperInvariant() is "ISO-8859-1" or "LATIN1" or "ASCII" or "US-ASCII") name = "windows-1252";
        try
        {
            return name.Length == 0 || name.StartsWith("utf", StringComparison.OrdinalIgnoreCase) ? null : TextEncodings.Named(name);
        }
        catch (Core.BadInputException)
        {
            // A name that nobody knows names nothing: the encoding is looked for as in any text.
            return null;
        }
    }
}
