using System.Globalization;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Two to four characters whose bytes are one character of UTF-8, and whether correct text could hold them.</summary>
/// <param name="Start">Index of the first.</param>
/// <param name="Length">How many.</param>
/// <param name="Value">The code point that the bytes stand for.</param>
internal readonly record struct MojibakeSequence(int Start, int Length, int Value)
{
    /// <summary>What follows a word in correct text: space, closing quotes of any language, dashes.</summary>
    private const string Closers = "\u00A0\u0085’‘”“»«›‹…–—•";

    /// <summary>Signs that follow a brand, a unit or a word with a footnote.</summary>
    private const string Signs = "®™©¹²³ªº°†‡·";

    /// <summary>What follows no letter in correct text.</summary>
    private const string NeverAfterLetter = "¡¿‚„¤¦¬¯±µ¸¼½¾ƒˆ˜¨´ŒœŸ";

    /// <summary>What stands after an Ångström.</summary>
    private const string AfterUnit = "±½";

    internal int End => Start + Length;

    /// <summary>Only <c>Ã</c> and <c>Â</c> are common enough in broken text, and rare enough in correct text, to be repaired on evidence from elsewhere.</summary>
    internal static bool IsCommonLead(char lead) => lead is 'Ã' or 'Â';

    /// <summary>The sequence that begins here.</summary>
    internal static bool TryRead(ReadOnlySpan<char> text, int start, out MojibakeSequence sequence)
    {
        sequence = default;
        int lead = text[start], length = lead switch { >= 0xC2 and <= 0xDF => 2, >= 0xE0 and <= 0xEF => 3, >= 0xF0 and <= 0xF4 => 4, _ => 0 };
        if (length == 0 || start + length > text.Length) return false;
        int value = lead & (0xFF >> (length + 1));
        for (int i = 1; i < length; i++)
        {
            byte next = Windows1252.ByteOf(text[start + i]);
            if (next is < 0x80 or > 0xBF) return false;
            value = value << 6 | next & 0x3F;
        }
        bool isShortest = length == 2 || value >= (length == 3 ? 0x800 : 0x10000);
        if (!isShortest || value > 0x10FFFF || value is >= 0xD800 and <= 0xDFFF) return false;
        if (CharUnicodeInfo.GetUnicodeCategory(value) is UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse) return false;
        sequence = new MojibakeSequence(start, length, value);
        return true;
    }

    /// <summary>Whether any of the characters after the first is none that follows words.</summary>
    internal bool HasMore(ReadOnlySpan<char> text) => text.Slice(Start + 1, Length - 1).IndexOfAnyExcept(Closers) >= 0;

    /// <summary>Whether it is broken beyond doubt, whatever stands around it in the line.</summary>
    internal bool IsCertain(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> rest = text.Slice(Start + 1, Length - 1);
        foreach (char character in rest)
            if (character is >= '\u0080' and < '\u00A0' and not '\u0085') return true;
        return Length switch
        {
            2 => IsCertainPair(text[Start], rest[0], Start == 0 ? '\n' : text[Start - 1], End == text.Length ? '\n' : text[End]),
            3 => IsCertainTriple(text[Start], rest),
            _ => rest.IndexOfAnyExcept(Closers) >= 0 && text[Start] == '\u00F0',
        };
    }

    private static bool IsCertainPair(char lead, char second, char before, char after)
    {
        // Measures, diameters and the German sharp s: 2×½, Ø½, Spaß”.
        if (lead is '×' or 'Ø' or 'ß') return false;
        if (char.IsLower(before)) return true;
        bool follows = char.IsUpper(before), isCloser = Closers.Contains(second, StringComparison.Ordinal);
        if (lead == 'Ã')
        {
            if (isCloser) return second != '\u00A0' && (char.IsAsciiLetterLower(after) || follows && char.IsLetter(after) && second is not ('’' or '–' or '—'));
            return !follows || !Signs.Contains(second, StringComparison.Ordinal);
        }
        if (lead == 'Â') return !follows && !isCloser || second is '«' && !follows;
        bool isCommon = lead is >= '\u00C4' and <= '\u00C8' or '\u00CE' or '\u00CF' or '\u00D0' or '\u00D1';
        if (lead == 'Å' && AfterUnit.Contains(second, StringComparison.Ordinal) || lead == 'Ñ' && second is ('¡' or '¿')) return false;
        return isCommon && NeverAfterLetter.Contains(second, StringComparison.Ordinal);
    }

    private static bool IsCertainTriple(char lead, ReadOnlySpan<char> rest)
    {
        // A French word before a guillemet is a triple: é, no-break space, ».
        if (rest[0] == '\u00A0') return false;
        if (lead == 'â') return rest[0] == '€' || rest.IndexOfAnyExcept(Closers) >= 0;
        if (lead == 'ï' && rest is "»¿") return true;
        return rest.IndexOfAny(NeverAfterLetter) >= 0;
    }
}
