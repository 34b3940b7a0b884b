using System.Globalization;
using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// Characters that nobody sees: controls, zero-width characters, directional overrides, tags. Joiners stay where writing needs them (Arabic, Indic
/// scripts, emoji), directional marks beside text that runs to the left, and zero-width spaces where words have no other separator.
/// </summary>
internal static class InvisibleCharacters
{
    /// <summary>The text without them and with <c>\n</c> for every kind of line end; the same instance if nothing changes.</summary>
    /// <param name="text">Valid UTF-16.</param>
    /// <param name="removed">Characters removed; those of a terminal's escape sequence count each.</param>
    /// <param name="lineEnds">Line ends of other kinds.</param>
    internal static string Remove(string text, out int removed, out int lineEnds)
    {
        removed = lineEnds = 0;
        int first = FirstSuspect(text);
        if (first < 0) return text;
        var result = new StringBuilder(text.Length).Append(text, 0, first);
        int before = first == 0 ? '\n' : PointBefore(text, first);
        for (int at = first; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(at), out Rune rune, out int units);
            int point = rune.Value;
            if (IsOtherLineEnd(point))
            {
                bool isPair = point == '\r' && at + 1 < text.Length && text[at + 1] == '\n';
                result.Append('\n');
                lineEnds++;
                before = '\n';
                at += isPair ? 2 : 1;
                continue;
            }
            int length = point == '\u001B' ? EscapeSequence(text, at) : units;
            if (IsSuspect(point) && !IsNeeded(point, before, PointAt(text, at + units)))
            {
                removed += length;
                at += length;
                continue;
            }
            result.Append(text, at, units);
            before = point;
            at += units;
        }
        return removed + lineEnds == 0 ? text : result.ToString();
    }

    private static int FirstSuspect(string text)
    {
        for (int at = 0; at < text.Length; at++)
        {
            char character = text[at];
            if (character is >= ' ' and < '\u007F' or '\n' or '\t') continue;
            if (IsOtherLineEnd(character) || IsSuspect(character)) return at;
            if (!char.IsHighSurrogate(character)) continue;
            if (IsSuspect(char.ConvertToUtf32(character, text[at + 1]))) return at;
            at++;
        }
        return -1;
    }

    private static bool IsOtherLineEnd(int point) => point is '\r' or '\v' or '\f' or 0x85 or 0x2028 or 0x2029;

    private static bool IsSuspect(int point) => point switch
    {
        '\t' or '\n' => false,
        < 0x20 or (>= 0x7F and <= 0x9F) or 0xAD or 0x61C or 0x180E => true,
        < 0x200B => false,
        <= 0x200F or (>= 0x202A and <= 0x202E) or (>= 0x2060 and <= 0x206F) => true,
        0xFEFF or (>= 0xFFF9 and <= 0xFFFB) or (>= 0xFDD0 and <= 0xFDEF) or (>= 0xE0000 and <= 0xE007F) => true,
        _ => (point & 0xFFFE) == 0xFFFE,
    };

    /// <summary>Whether writing needs a suspect between the character kept before it and the one after it.</summary>
    private static bool IsNeeded(int point, int before, int after) => point switch
    {
        0x200B => HasNoSpaces(before) && HasNoSpaces(after),
        0x200C => IsJoining(before),
        0x200D => IsJoining(before) || IsPictograph(before) && IsPictograph(after),
        0x200E or 0x200F or 0x61C => RunsLeft(before) || RunsLeft(after),
        >= 0xE0020 and <= 0xE007F => before is 0x1F3F4 or (>= 0xE0020 and <= 0xE007F),
        _ => false,
    };

    private static bool HasNoSpaces(int point) => point is (>= 0x0E00 and <= 0x0EFF) or (>= 0x1000 and <= 0x109F) or (>= 0x1780 and <= 0x17FF);

    private static bool IsJoining(int point) =>
        RunsLeft(point) || point is (>= 0x0900 and <= 0x0DFF) or (>= 0x1000 and <= 0x109F) or (>= 0x1780 and <= 0x18AF) or (>= 0xA840 and <= 0xA8FF);

    private static bool RunsLeft(int point) => point is (>= 0x0590 and <= 0x08FF and not 0x61C) or (>= 0xFB1D and <= 0xFDCF) or (>= 0xFE70 and <= 0xFEFC);

    private static bool IsPictograph(int point) =>
        point is 0xFE0F or (>= 0x1F3FB and <= 0x1F3FF) || point >= 0x2190 && CharUnicodeInfo.GetUnicodeCategory(point) == UnicodeCategory.OtherSymbol;

    /// <summary>The length of a terminal's escape sequence (ECMA-48 CSI), or 1 for the escape alone.</summary>
    private static int EscapeSequence(string text, int at)
    {
        if (at + 1 >= text.Length || text[at + 1] != '[') return 1;
        int end = at + 2;
        while (end < text.Length && text[end] is (>= '0' and <= '9') or ';' or '?') end++;
        return end < text.Length && text[end] is >= '@' and <= '~' ? end + 1 - at : 1;
    }

    private static int PointAt(string text, int at)
    {
        if (at >= text.Length) return '\n';
        return char.IsHighSurrogate(text[at]) ? char.ConvertToUtf32(text[at], text[at + 1]) : text[at];
    }

    private static int PointBefore(string text, int at) =>
        char.IsLowSurrogate(text[at - 1]) ? char.ConvertToUtf32(text[at - 2], text[at - 1]) : text[at - 1];
}
