using System.Text;

namespace ElasticTrain.Data.Quality;

/// <summary>Text of documents on a terminal.</summary>
public static class TerminalText
{
    /// <summary>One line in which nothing moves the cursor, changes colours or the title, or turns the direction of writing: such characters are shown as \n, \t, \r or \u{1B}.</summary>
    public static string Escape(ReadOnlySpan<char> text)
    {
        var escaped = new StringBuilder(text.Length);
        VisibleText.Write(text, escaped, keepLayout: false, (rune, to) => to.Append(rune));
        return escaped.ToString();
    }
}
