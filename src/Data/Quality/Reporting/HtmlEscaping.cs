using System.Text;

namespace ElasticTrain.Data.Quality;

/// <summary>Text of documents in HTML and SVG.</summary>
internal static class HtmlEscaping
{
    /// <summary>Text that is no markup, in elements and in quoted attributes, with what cannot be seen made visible; lines stay lines.</summary>
    internal static string Of(string text)
    {
        var escaped = new StringBuilder(text.Length);
        VisibleText.Write(text, escaped, keepLayout: true, (rune, to) => _ = rune.Value switch
        {
            '&' => to.Append("&amp;"),
            '<' => to.Append("&lt;"),
            '>' => to.Append("&gt;"),
            '"' => to.Append("&quot;"),
            '\'' => to.Append("&#39;"),
            '`' => to.Append("&#96;"),
            _ => to.Append(rune),
        });
        return escaped.ToString();
    }
}
