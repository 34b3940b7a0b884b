using System.Globalization;

namespace ElasticTrain.Data;

/// <summary>A code point with what the rules ask about it.</summary>
internal readonly struct CodePoint
{
    internal const byte Letter = 1, Mark = 2, Number = 4, Punctuation = 8, Symbol = 16, Space = 32, LineEnd = 64, Cjk = 128;

    private const int ValueBits = 21;
    private static readonly byte[] Basic = BasicPlane();

    private readonly uint _bits;

    internal CodePoint(int value) =>
        _bits = (uint)value | (uint)(value < Basic.Length ? Basic[value] : Classes(CharUnicodeInfo.GetUnicodeCategory(value))) << ValueBits;

    internal int Value => (int)(_bits & ((1u << ValueBits) - 1));

    internal int Utf8Length => Value < 0x80 ? 1 : Value < 0x800 ? 2 : Value < 0x10000 ? 3 : 4;

    internal int Utf16Length => Value < 0x10000 ? 1 : 2;

    internal bool IsAsciiLetter => (uint)((Value | 0x20) - 'a') < 26;

    internal bool IsAsciiPunctuation => Value < 0x80 && Is(Punctuation | Symbol);

    /// <summary>Whether it is of one of the classes.</summary>
    internal bool Is(int classes) => (_bits >> ValueBits & (uint)classes) != 0;

    private static byte[] BasicPlane()
    {
        byte[] classes = new byte[0x10000];
        for (int value = 0; value < classes.Length; value++)
        {
            classes[value] = Classes(CharUnicodeInfo.GetUnicodeCategory(value));
            if (char.IsWhiteSpace((char)value)) classes[value] |= Space;
            if (value is '\r' or '\n') classes[value] |= LineEnd;
            if (value is >= 0x4E00 and <= 0x9FA5 or >= 0x3040 and <= 0x30FF) classes[value] |= Cjk;
        }
        return classes;
    }

    private static byte Classes(UnicodeCategory category) => category switch
    {
        <= UnicodeCategory.OtherLetter => Letter,
        <= UnicodeCategory.EnclosingMark => Mark,
        <= UnicodeCategory.OtherNumber => Number,
        >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation => Punctuation,
        >= UnicodeCategory.MathSymbol and <= UnicodeCategory.OtherSymbol => Symbol,
        _ => 0,
    };
}
