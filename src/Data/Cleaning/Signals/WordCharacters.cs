using System.Globalization;
using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Classes of characters that words and sentences are made of.</summary>
internal static class WordCharacters
{
    internal const byte Letter = 1, Mark = 2, Digit = 4, Joiner = 8, Space = 16, Single = 32, Surrogate = 64;

    /// <summary>What words of several characters are made of.</summary>
    internal const byte Word = Letter | Mark | Digit | Joiner;

    /// <summary>
    /// Ends of sentences: the characters with Unicode's property Sentence_Terminal (version 14.0) in the basic plane, the same as datatrove's and FineWeb's
    /// terminal punctuation but for rare scripts beyond it.
    /// </summary>
    internal const string SentenceEnds = ".!?"
        + "\u0589\u061D\u061E\u061F\u06D4\u0700\u0701\u0702\u07F9\u0837\u0839\u083D\u083E\u0964\u0965\u104A\u104B\u1362\u1367\u1368\u166E\u1735\u1736\u1803\u1809\u1944\u1945"
        + "\u1AA8\u1AA9\u1AAA\u1AAB\u1B5A\u1B5B\u1B5E\u1B5F\u1B7D\u1B7E\u1C3B\u1C3C\u1C7E\u1C7F\u203C\u203D\u2047\u2048\u2049\u2E2E\u2E3C\u2E53\u2E54\u3002\uA4FF\uA60E\uA60F"
        + "\uA6F3\uA6F7\uA876\uA877\uA8CE\uA8CF\uA92F\uA9C8\uA9C9\uAA5D\uAA5E\uAA5F\uAAF0\uAAF1\uABEB\uFE52\uFE56\uFE57\uFF01\uFF0E\uFF1F\uFF61";

    private static readonly byte[] Basic = BasicPlane();

    /// <summary>The class of a character; halves of pairs are <see cref="Surrogate"/>.</summary>
    internal static byte Class(char character) => Basic[character];

    /// <summary>The class of a character beyond the basic plane.</summary>
    internal static byte Class(Rune rune) =>
        rune.Value is >= 0x20000 and <= 0x323AF or >= 0x1B000 and <= 0x1B16F ? (byte)(Letter | Single) : Class(Rune.GetUnicodeCategory(rune));

    private static byte[] BasicPlane()
    {
        byte[] classes = new byte[0x10000];
        for (int value = 0; value < classes.Length; value++)
        {
            classes[value] = char.IsWhiteSpace((char)value) ? Space : Class(CharUnicodeInfo.GetUnicodeCategory((char)value));
            // Words are not separated in Chinese, nor where Japanese is written in hiragana: each character is one, as in Unicode Standard Annex 29.
            if (value is >= 0x3041 and <= 0x309F or >= 0x3400 and <= 0x4DBF or >= 0x4E00 and <= 0x9FFF or >= 0xF900 and <= 0xFAFF) classes[value] |= Single;
        }
        return classes;
    }

    private static byte Class(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => Letter,
        <= UnicodeCategory.EnclosingMark or UnicodeCategory.Format => Mark,
        <= UnicodeCategory.OtherNumber => Digit,
        UnicodeCategory.ConnectorPunctuation => Joiner,
        UnicodeCategory.Surrogate => Surrogate,
        _ => 0,
    };
}
