using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace ElasticTrain.Data.Quality;

/// <summary>
/// A report as one HTML file that loads nothing: no scripts, no links, one style sheet whose hash is all that its content security policy allows. Text of documents is
/// shown, never interpreted. The same report gives the same bytes.
/// </summary>
public static class HtmlReport
{
    private const int MostExcerpt = 1200;

    private const string Style =
        """
        :root{color-scheme:light dark}
        body{font:15px/1.45 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem}
        table{border-collapse:collapse;margin:.5rem 0 1.5rem}
        th,td{text-align:left;padding:.25rem .75rem;border-bottom:1px solid #8884}
        td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
        pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#8881;padding:.5rem;max-height:16rem;overflow:auto}
        .passed{color:#18794e}.failed{color:#cd2b31;font-weight:600}.none{color:#888}
        .bar{fill:#3a7bd5}.axis{stroke:#888}.tick,.label{font-size:11px;fill:currentColor}
        """;

    /// <summary>Renders a report.</summary>
    public static string Render(QualityReport report)
    {
        var html = new StringBuilder();
        string hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)));
        html.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
            .Append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-").Append(hash).Append("'; base-uri 'none'; form-action 'none'\">\n")
            .Append("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"viewport\" content=\"width=device-width\">\n")
            .Append("<title>").Append(HtmlEscaping.Of(report.Title)).Append("</title>\n<style>").Append(Style).Append("</style>\n</head>\n<body>\n");
        html.Append("<h1>").Append(HtmlEscaping.Of(report.Title)).Append("</h1>\n");
        html.Append(report.Gates.Passed ? "<p class=\"passed\">All gates passed.</p>\n" : "<p class=\"failed\">A gate failed.</p>\n");
        Table(html, null, ["", ""], [.. report.Facts.Select(fact => (string[])[fact.Name, fact.Value])], numbersFrom: 2);
        Gates(html, report.Gates);
        Table(html, "Sources", ["Source", "Documents", "Kept", "Bytes", "Kept", "Kept %", "Perplexity", "Duplication", "Topic consistency"], [.. report.Sources.Select(Row)], numbersFrom: 1);
        Removed(html, report.Removed);
        foreach (Histogram histogram in report.Histograms)
            html.Append("<h2>").Append(HtmlEscaping.Of(histogram.Title)).Append("</h2>\n").Append(SvgPlot.Bars(histogram)).Append("<p class=\"none\">").Append(HtmlEscaping.Of(histogram.Unit)).Append("</p>\n");
        Examples(html, report.Examples);
        return html.Append("</body>\n</html>\n").ToString();
    }

    private static string[] Row(SourceSummary one) =>
    [
        one.Source, Count(one.DocumentsRead), Count(one.DocumentsKept), Count(one.BytesRead), Count(one.BytesKept),
        one.BytesRead == 0 ? "" : Fixed(100.0 * one.BytesKept / one.BytesRead, 1),
        Fixed(one.Measurements.Perplexity, 1), Fixed(one.Measurements.Duplication, 4), Fixed(one.Measurements.TopicConsistency, 3),
    ];

    private static void Gates(StringBuilder html, GateReport gates)
    {
        html.Append("<h2>Gates</h2>\n<table>\n<tr><th>Source</th><th>Gate</th><th class=\"n\">Value</th><th class=\"n\">Limit</th><th>Outcome</th></tr>\n");
        foreach (GateResult result in gates.Results)
        {
            (string kind, string shown) = result.Outcome switch
            {
                GateOutcome.Passed => ("passed", "passed"),
                GateOutcome.Failed => ("failed", "failed"),
                _ => ("none", "not measured"),
            };
            string sign = result.Gate == "topic-consistency" ? "&gt; " : "&lt; ";
            html.Append("<tr><td>").Append(HtmlEscaping.Of(result.Source)).Append("</td><td>").Append(HtmlEscaping.Of(result.Gate)).Append("</td><td class=\"n\">")
                .Append(Fixed(result.Value, 4)).Append("</td><td class=\"n\">").Append(sign).Append(SvgPlot.Number(result.Limit)).Append("</td><td class=\"").Append(kind).Append("\">")
                .Append(shown).Append("</td></tr>\n");
        }
        html.Append("</table>\n");
    }

    private static void Removed(StringBuilder html, IReadOnlyList<RemovalCount> removed)
    {
        if (removed.Count == 0) return;
        html.Append("<h2>Removed</h2>\n").Append(SvgPlot.Rows("Bytes removed by rule", [.. removed.Select(one => (one.Rule, one.Bytes, $"{Count(one.Bytes)} bytes"))])).Append('\n');
        Table(html, null, ["Rule", "Documents", "Bytes"], [.. removed.Select(one => (string[])[one.Rule, Count(one.Documents), Count(one.Bytes)])], numbersFrom: 1);
    }

    private static void Examples(StringBuilder html, IReadOnlyList<RemovedExample> examples)
    {
        if (examples.Count == 0) return;
        html.Append("<h2>Examples of what was removed</h2>\n");
        foreach (RemovedExample one in examples)
        {
            html.Append("<details>\n<summary>").Append(HtmlEscaping.Of($"{one.Rule}: {one.Value}")).Append(" <span class=\"none\">").Append(HtmlEscaping.Of($"{one.Source}, {one.Key}"))
                .Append("</span></summary>\n<pre>").Append(HtmlEscaping.Of(Shortened(one.Excerpt))).Append("</pre>\n</details>\n");
        }
    }

    private static void Table(StringBuilder html, string? title, string[] heads, IReadOnlyList<string[]> rows, int numbersFrom)
    {
        if (rows.Count == 0) return;
        if (title is not null) html.Append("<h2>").Append(HtmlEscaping.Of(title)).Append("</h2>\n");
        html.Append("<table>\n");
        if (heads.Any(head => head.Length > 0)) Line("th", heads);
        foreach (string[] row in rows) Line("td", row);
        html.Append("</table>\n");

        void Line(string tag, string[] cells)
        {
            html.Append("<tr>");
            for (int i = 0; i < cells.Length; i++)
                html.Append('<').Append(tag).Append(i >= numbersFrom ? " class=\"n\">" : ">").Append(HtmlEscaping.Of(cells[i])).Append("</").Append(tag).Append('>');
            html.Append("</tr>\n");
        }
    }

    private static string Shortened(string text)
    {
        if (text.Length <= MostExcerpt) return text;
        // Never half of a surrogate pair.
        int length = char.IsHighSurrogate(text[MostExcerpt - 1]) ? MostExcerpt - 1 : MostExcerpt;
        return text[..length] + " …";
    }

    private static string Count(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    private static string Fixed(double? value, int digits) => value?.ToString($"F{digits}", CultureInfo.InvariantCulture) ?? "";
}
