using System.Buffers;

namespace ElasticTrain.Data.Cleaning;

/// <summary>A text and what was changed to get it.</summary>
/// <param name="Text">Valid UTF-16.</param>
/// <param name="Changes">Counts.</param>
public readonly record struct CleanText(string Text, TextChanges Changes);

/// <summary>Makes text uniform without changing what it says. Pure: the same on any thread, in any culture; cleaning what is clean changes nothing.</summary>
public static class TextCleaner
{
    /// <summary>A step can uncover work for an earlier one; text that needs more rounds was made to need them.</summary>
    private const int MostRounds = 8;

    private static readonly SearchValues<char> Plain = SearchValues.Create(['\t', '\n', .. Enumerable.Range(' ', '~' - ' ' + 1).Select(value => (char)value)]);

    /// <summary>Cleans a text.</summary>
    /// <param name="text">Any UTF-16, halves of surrogate pairs included.</param>
    /// <param name="options">What to do.</param>
    /// <returns>The same string if there is nothing to do.</returns>
    public static CleanText Clean(string text, CleaningOptions options)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(options);
        text = Surrogates.Repair(text, out int surrogates);
        var changes = new TextChanges(surrogates, 0, 0, 0, 0, 0);
        for (int round = 0; round < MostRounds; round++)
        {
            bool isPlain = text.AsSpan().IndexOfAnyExcept(Plain) < 0;
            TextChanges now = Once(ref text, options, isPlain);
            changes += now;
            string before = text;
            if (options.GuideText) text = GuideText.Clean(text);
            if (isPlain || !now.Any && text == before) break;
        }
        return new CleanText(text, changes);
    }

    private static TextChanges Once(ref string text, CleaningOptions options, bool isPlain)
    {
        int mojibake = 0, invisible = 0, lineEnds = 0, normalized = 0, whitespace = 0;
        if (!isPlain)
        {
            if (options.RepairMojibake) text = Mojibake.Repair(text, out mojibake);
            if (options.RemoveInvisible) text = InvisibleCharacters.Remove(text, out invisible, out lineEnds);
            if (options.Form != UnicodeForm.None) text = UnicodeNormalizer.Normalize(text, options.Form == UnicodeForm.Nfkc, out normalized);
        }
        if (options.TrimWhitespace) text = Whitespace.Trim(text, out whitespace);
        return new TextChanges(0, mojibake, invisible, lineEnds, normalized, whitespace);
    }
}
