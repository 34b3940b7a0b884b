using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using ElasticTrain.Data.Quality;

namespace ElasticTrain.Data.Tests.Quality;

public sealed partial class ReportTests
{
    private const string Evil = "<script>alert(1)</script><img src=x onerror=\"a\" title='b'>&amp;\u001b[31m\u009b2J\u0007\0\u202Eevil\uD800 </pre></svg>`";

    [Fact]
    public void Text_of_documents_is_shown_in_the_report_and_never_interpreted()
    {
        string html = HtmlReport.Render(Report(Evil));
        foreach (string forbidden in (string[])["<script", "<img", "onerror=\"", "\u001b", "\u009b", "\u0007", "\0", "\u202E", "\uD800", "</pre></svg>"]) Assert.DoesNotContain(forbidden, html, StringComparison.Ordinal);
        // Every tag that is there, the report itself has written; no attribute that could run or load something.
        foreach (Match tag in Tag().Matches(html))
        {
            Assert.Contains(tag.Groups[1].Value, (string[])["html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th", "td", "svg", "rect", "text", "line", "details", "summary", "span", "pre"]);
            Assert.DoesNotMatch(@"\s(on\w+|src|href|style)\s*=", Regex.Replace(tag.Value, "\"[^\"]*\"", "\"\""));
        }
        Assert.Equal(20, Regex.Count(html, Regex.Escape("&lt;script&gt;alert(1)&lt;/script&gt;")));
        Assert.Contains("\\u{1B}[31m\\u{9B}2J\\u{7}\\u{0}\\u{202E}evil\\u{D800}", html);
    }

    [Fact]
    public void The_policy_allows_the_one_style_sheet_and_nothing_else()
    {
        string html = HtmlReport.Render(Report("text"));
        string style = html[(html.IndexOf("<style>", StringComparison.Ordinal) + 7)..html.IndexOf("</style>", StringComparison.Ordinal)];
        string hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(style)));
        Assert.Contains($"content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\"", html);
        Assert.DoesNotContain("http:", html);
        Assert.DoesNotContain("https:", html);
    }

    [Fact]
    public void The_same_report_gives_the_same_bytes_in_any_culture_and_JSON_reads_back()
    {
        QualityReport report = Report("text\nwith lines");
        string html = HtmlReport.Render(report);
        byte[] json = report.ToJson();
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo german = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (german.NumberFormat.NumberDecimalSeparator, german.NumberFormat.NumberGroupSeparator, german.NumberFormat.NegativeSign) = (",", ".", "~");
        try
        {
            CultureInfo.CurrentCulture = german;
            Assert.Equal(html, HtmlReport.Render(report));
            Assert.Equal(json, report.ToJson());
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
        QualityReport read = QualityReport.FromJson(json);
        Assert.Equal(json, read.ToJson());
        Assert.Equal(html, HtmlReport.Render(read));
        Assert.Contains("\"outcome\": \"Failed\"", Encoding.UTF8.GetString(json));
        Assert.DoesNotContain("<", Encoding.UTF8.GetString(Report(Evil).ToJson()));
    }

    [Fact]
    public void Numbers_and_plots_are_in_the_report()
    {
        string html = HtmlReport.Render(Report("text"));
        Assert.Contains("<td class=\"failed\">failed</td>", html);
        Assert.Contains("A gate failed.", html);
        Assert.Contains("1,234,567", html);
        Assert.Contains("<title>10 to 20 words text: 3</title>", html);
        Assert.Contains("66.7", html);
        Assert.Contains("All gates passed.", HtmlReport.Render(new QualityReport { Title = "empty", Gates = new GateReport([]) }));
    }

    [Theory]
    [InlineData("a\u001b[2Jb", "a\\u{1B}[2Jb")]
    [InlineData("a\u009b31mb\u007f", "a\\u{9B}31mb\\u{7F}")]
    [InlineData("line\r\n\tend", "line\\r\\n\\tend")]
    [InlineData("\u202Eabc\u2066\u200B\uFEFF\u2028", "\\u{202E}abc\\u{2066}\\u{200B}\\u{FEFF}\\u{2028}")]
    [InlineData("\U000E0041\U0001F600 é 你", "\\u{E0041}\U0001F600 é 你")]
    public void What_a_terminal_would_obey_is_shown_instead(string text, string shown) => Assert.Equal(shown, TerminalText.Escape(text));

    [Fact]
    public void Halves_of_surrogate_pairs_are_shown_too() => Assert.Equal("\\u{DC00}x\\u{D83D}", TerminalText.Escape("\uDC00x\uD83D"));

    [Theory]
    [InlineData("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"")]
    [InlineData("+1", "\"'+1\"")]
    [InlineData("-1", "\"'-1\"")]
    [InlineData("@SUM(A1)", "\"'@SUM(A1)\"")]
    [InlineData("\t=1", "\"'\\t=1\"")]
    [InlineData("\rx", "\"'\\rx\"")]
    [InlineData("  =1", "\"'  =1\"")]
    [InlineData("＝1", "\"'＝1\"")]
    [InlineData("a=1, b", "\"a=1, b\"")]
    [InlineData("a\nb\u001b", "\"a\\nb\\u{1B}\"")]
    [InlineData("", "\"\"")]
    public void Cells_are_never_formulas(string text, string cell) => Assert.Equal(cell, RemovedList.Cell(text));

    [Fact]
    public void The_list_of_what_went_is_a_line_for_each()
    {
        using var stream = new MemoryStream();
        RemovedList.Write(stream, [new("a,\"b\"", "web", "near-duplicate", 0.93, 120, "=kept"), new("c", "web", "gopher", null, 5, null), new("d", "web", "odd", -1.5, 5, null)]);
        Assert.Equal(
            "key,source,rule,value,bytes,kept_key\n\"a,\"\"b\"\"\",\"web\",\"near-duplicate\",0.93,120,\"'=kept\"\n\"c\",\"web\",\"gopher\",,5,\n\"d\",\"web\",\"odd\",-1.5,5,\n",
            Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Fact]
    public void Values_fall_into_the_bar_whose_lower_edge_they_reach()
    {
        var builder = new HistogramBuilder("t", "u", 0, 1, 2, 5);
        foreach (double value in (double[])[-1, 0, 0.99, 1, 2, 4.9, 5, 100, double.NaN, double.PositiveInfinity]) builder.Add(value);
        Assert.Equal([3, 1, 5], builder.Build().Counts);
        Assert.Equal([1, 2, 5, 10, 20, 50, 100], HistogramBuilder.Logarithmic("t", "u", 2).Build().Edges);
        Assert.Throws<ArgumentException>(() => new HistogramBuilder("t", "u", 1, 1));
    }

    private static QualityReport Report(string text) => new()
    {
        Title = $"Title {text}",
        Facts = [new ReportFact($"Fact {text}", $"Value {text}")],
        Gates = GateReport.Judge(new GateSettings(), [new GateMeasurements(text, 200.5, 0.01, null)]),
        Sources = [new SourceSummary(text, 1_234_567, 1000, 3000, 2000, new GateMeasurements(text, 200.5, 0.01, null))],
        Removed = [new RemovalCount($"rule {text}", 10, 1000), new RemovalCount("other", 0, 0)],
        Histograms = [new Histogram($"Words {text}", $"words {text}", [0, 10, 20], [5, 3])],
        Examples = [new RemovedExample(text, text, text, text, text + new string('x', 5000))],
    };

    [GeneratedRegex(@"</?([a-z0-9]+)[^>]*>")]
    private static partial Regex Tag();
}
