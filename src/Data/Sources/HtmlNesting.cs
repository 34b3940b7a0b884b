namespace ElasticTrain.Data.Sources;

/// <summary>
/// Tells pages that are nested beyond all use before they are parsed: a parser looks through all open elements at each tag, so that such a page takes
/// the square of its length. Open elements are counted as a parser would have them, without its rules for what may stand where.
/// </summary>
internal static class HtmlNesting
{
    /// <summary>Where browsers stop (Blink's and WebKit's limit of a document's depth).</summary>
    internal const int Deepest = 512;

    private static readonly HashSet<string> Void = Set("area base br col embed hr img input link meta param source track wbr");

    /// <summary>A second one ends the first, except inside pictures and formulas.</summary>
    private static readonly HashSet<string> EndThemselves = Set("p li dt dd tr td th tbody thead tfoot option optgroup rb rt rp rtc caption colgroup");

    /// <summary>What is opened again in the next block when its own ends.</summary>
    private static readonly HashSet<string> Formatting = Set("a b big code em font i nobr s small strike strong tt u");

    private static HashSet<string> Set(string names) => new(names.Split(' '), StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a page nests deeper than <see cref="Deepest"/>.</summary>
    internal static bool IsTooDeep(string html)
    {
        var open = new Stack<string>();
        var counts = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        var formats = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        int formatting = 0;
        for (int at = 0; (at = html.IndexOf('<', at)) >= 0;)
        {
            at++;
            if (html.AsSpan(at).StartsWith("!--"))
            {
                at = html.IndexOf("-->", at, StringComparison.Ordinal);
                if (at < 0) return false;
                continue;
            }
            bool isEnd = at < html.Length && html[at] == '/';
            if (isEnd) at++;
            string name = NameAt(html, at);
            if (name.Length == 0 || Void.Contains(name)) continue;
            if (Formatting.Contains(name) && (!isEnd || formats.GetValueOrDefault(name) > 0))
            {
                formats[name] = formats.GetValueOrDefault(name) + (isEnd ? -1 : 1);
                formatting += isEnd ? -1 : 1;
            }
            if (isEnd) Close(name);
            else if (!EndThemselves.Contains(name) || IsIn("svg") || IsIn("math"))
            {
                open.Push(name);
                counts[name] = counts.GetValueOrDefault(name) + 1;
                if (open.Count > Deepest || formatting > Deepest) return true;
            }
        }
        return false;

        bool IsIn(string name) => counts.GetValueOrDefault(name) > 0;

        void Close(string name)
        {
            if (!IsIn(name)) return;
            while (open.TryPop(out string? inner))
            {
                counts[inner]--;
                if (inner.Equals(name, StringComparison.OrdinalIgnoreCase)) return;
            }
        }
    }

    private static string NameAt(string html, int at)
    {
        int end = at;
        while (end < html.Length && end - at < 20 && char.IsAsciiLetterOrDigit(html[end])) end++;
        return end > at && char.IsAsciiLetter(html[at]) ? html[at..end] : "";
    }
}
