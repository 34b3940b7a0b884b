using System.Globalization;
using System.Text;

namespace ElasticTrain.Data.Quality;

/// <summary>
/// Makes characters visible that would do something instead of being seen: control characters (escape sequences of terminals begin with one), marks that change the direction of
/// text, characters without width, halves of surrogate pairs.
/// </summary>
internal static class VisibleText
{
    /// <summary>Writes text, and such characters as \n, \t, \r or \u{1B}.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="to">Where to.</param>
    /// <param name="keepLayout">Whether line feeds and tabs are left as they are.</param>
    /// <param name="write">Writes a character that can be seen.</param>
    internal static void Write(ReadOnlySpan<char> text, StringBuilder to, bool keepLayout, Action<Rune, StringBuilder> write)
    {
        while (!text.IsEmpty)
        {
            bool isWhole = Rune.DecodeFromUtf16(text, out Rune rune, out int length) == System.Buffers.OperationStatus.Done;
            int value = isWhole ? rune.Value : text[0];
            text = text[length..];
            if (isWhole && (!IsInvisible(rune) || (keepLayout && value is '\n' or '\t'))) write(rune, to);
            else
            {
                to.Append(value switch
                {
                    '\n' => "\\n",
                    '\t' => "\\t",
                    '\r' => "\\r",
                    _ => string.Create(CultureInfo.InvariantCulture, $"\\u{{{value:X}}}"),
                });
            }
        }
    }

    private static bool IsInvisible(Rune rune) => CharUnicodeInfo.GetUnicodeCategory(rune.Value) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate;
}
