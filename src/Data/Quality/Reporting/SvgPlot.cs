using System.Globalization;
using System.Text;

namespace ElasticTrain.Data.Quality;

/// <summary>Plots as SVG that stands inside an HTML page: shapes and classes only, coordinates in whole pixels.</summary>
internal static class SvgPlot
{
    private const int Width = 640, PlotHeight = 160, Left = 8, Top = 20, LabelWidth = 200, RowHeight = 22;

    /// <summary>A histogram: bars of equal width with their lower edges beneath.</summary>
    internal static string Bars(Histogram histogram)
    {
        int count = histogram.Counts.Count;
        double step = (Width - 2.0 * Left) / count;
        long most = Math.Max(1, histogram.Counts.Max());
        var svg = Open($"{histogram.Title}, {histogram.Unit}", Top + PlotHeight + 24);
        // So many labels that they do not run into each other.
        int every = Math.Max(1, (int)Math.Ceiling(48 / step));
        for (int i = 0; i < count; i++)
        {
            int x = (int)(Left + i * step), width = Math.Max(1, (int)(Left + (i + 1) * step) - x - 1), height = Scaled(histogram.Counts[i], most, PlotHeight);
            string label = $"{Number(histogram.Edges[i])} to {Number(histogram.Edges[i + 1])} {histogram.Unit}: {Number(histogram.Counts[i])}";
            svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"bar\" x=\"{x}\" y=\"{Top + PlotHeight - height}\" width=\"{width}\" height=\"{height}\"><title>{HtmlEscaping.Of(label)}</title></rect>");
            if (i % every == 0) Text(svg, x, Top + PlotHeight + 16, "tick", Number(histogram.Edges[i]));
        }
        Text(svg, Left, Top - 6, "tick", $"largest bar: {Number(most)}");
        svg.Append(CultureInfo.InvariantCulture, $"<line class=\"axis\" x1=\"{Left}\" y1=\"{Top + PlotHeight}\" x2=\"{Width - Left}\" y2=\"{Top + PlotHeight}\"/></svg>");
        return svg.ToString();
    }

    /// <summary>One horizontal bar per name.</summary>
    internal static string Rows(string title, IReadOnlyList<(string Name, long Value, string Shown)> rows)
    {
        long most = Math.Max(1, rows.Count == 0 ? 1 : rows.Max(row => row.Value));
        var svg = Open(title, 8 + rows.Count * RowHeight);
        for (int i = 0; i < rows.Count; i++)
        {
            int y = 4 + i * RowHeight, width = Scaled(rows[i].Value, most, Width - LabelWidth - 160);
            Text(svg, Left, y + 15, "label", rows[i].Name.Length > 28 ? rows[i].Name[..27] + "…" : rows[i].Name);
            svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"bar\" x=\"{LabelWidth}\" y=\"{y + 3}\" width=\"{width}\" height=\"{RowHeight - 6}\"/>");
            Text(svg, LabelWidth + width + 6, y + 15, "tick", rows[i].Shown);
        }
        return svg.Append("</svg>").ToString();
    }

    /// <summary>A number with at most three decimals, thousands apart.</summary>
    internal static string Number(double value) => value.ToString(Math.Abs(value) >= 100 ? "#,0" : "0.###", CultureInfo.InvariantCulture);

    /// <summary>A length in pixels; what is there at all can be seen.</summary>
    private static int Scaled(long value, long most, int pixels) => value <= 0 ? 0 : Math.Max(1, (int)((double)value / most * pixels));

    private static StringBuilder Open(string title, int height) => new StringBuilder().Append(
        CultureInfo.InvariantCulture, $"<svg role=\"img\" aria-label=\"{HtmlEscaping.Of(title)}\" viewBox=\"0 0 {Width} {height}\" width=\"{Width}\" height=\"{height}\">");

    private static void Text(StringBuilder svg, int x, int y, string kind, string text) =>
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"{kind}\" x=\"{x}\" y=\"{y}\">{HtmlEscaping.Of(text)}</text>");
}
