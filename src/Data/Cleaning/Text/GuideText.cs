using System.Globalization;
using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>The guide's <c>clean_text</c>: what is left of text for models that know neither case nor punctuation.</summary>
internal static class GuideText
{
    /// <summary>Lower case letters with their marks, digits, and one space for each run of white space.</summary>
    internal static string Clean(string text)
    {
        var result = new StringBuilder(text.Length);
        bool space = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
            {
                space = result.Length > 0;
                continue;
            }
            if (!IsKept(rune)) continue;
            if (space) result.Append(' ');
            space = false;
            result.Append(Rune.ToLowerInvariant(rune).ToString());
        }
        return result.ToString();
    }

    private static bool IsKept(Rune rune) =>
        Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;
}
