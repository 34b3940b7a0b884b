using System.Buffers;
using System.Globalization;
using System.Text;

namespace ElasticTrain.Data.Sources;

/// <summary>Text of unknown origin for terminals and reports: short, and with nothing in it that a terminal would obey.</summary>
internal static class Excerpt
{
    private const int MostShown = 120;

    /// <summary>How the bytes begin; bytes that are no UTF-8 as <c>\xHH</c>.</summary>
    internal static string Of(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        while (!bytes.IsEmpty && text.Length < MostShown)
        {
            if (Rune.DecodeFromUtf8(bytes, out var rune, out int consumed) == OperationStatus.Done) Append(text, rune);
            else
                foreach (byte one in bytes[..consumed]) text.Append(CultureInfo.InvariantCulture, $"\\x{one:X2}");
            bytes = bytes[consumed..];
        }
        return bytes.IsEmpty ? text.ToString() : text.Append("...").ToString();
    }

    /// <summary>How the text begins.</summary>
    internal static string Of(string text) => Escape(text, MostShown);

    /// <summary>The text with what is not visible escaped.</summary>
    internal static string Escape(string text, int most = int.MaxValue)
    {
        var result = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (result.Length >= most) return result.Append("...").ToString();
            Append(result, rune);
        }
        return result.ToString();
    }

    /// <summary>Direction marks and the like (class Format) can make a line read as something else than it is.</summary>
    private static void Append(StringBuilder text, Rune rune)
    {
        bool isHidden = Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;
        switch (rune.Value)
        {
            case '\n': text.Append("\\n"); break;
            case '\r': text.Append("\\r"); break;
            case '\t': text.Append("\\t"); break;
            case '\\': text.Append("\\\\"); break;
            case < 0x10000 when isHidden: text.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:X4}"); break;
            case var value when isHidden: text.Append(CultureInfo.InvariantCulture, $"\\U{value:X8}"); break;
            default: text.Append(rune.ToString()); break;
        }
    }
}
