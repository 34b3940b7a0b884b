namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// The bytes that characters stand for when text was read as Windows-1252 or Latin-1. The two differ in 0x80 to 0x9F only, and no character stands for two
/// bytes, so that one table serves both. The five bytes that Windows-1252 leaves open are control characters, as in the WHATWG encoding standard.
/// </summary>
internal static class Windows1252
{
    private const string Upper = "\u20AC\u0081\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\u008D\u017D\u008F"
        + "\u0090\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\u009D\u017E\u0178";

    private static readonly byte[] Bytes = Table();

    /// <summary>The byte of a character, or 0 for ASCII and for what no byte stands for.</summary>
    internal static byte ByteOf(char character) => character < Bytes.Length ? Bytes[character] : (byte)0;

    /// <summary>UTF-8 bytes, read one character each.</summary>
    internal static string Misread(ReadOnlySpan<byte> utf8) =>
        string.Create(utf8.Length, utf8, (text, bytes) =>
        {
            for (int i = 0; i < text.Length; i++) text[i] = bytes[i] is >= 0x80 and < 0xA0 ? Upper[bytes[i] - 0x80] : (char)bytes[i];
        });

    private static byte[] Table()
    {
        byte[] bytes = new byte[Upper.Max() + 1];
        for (int value = 0x80; value <= 0xFF; value++) bytes[value] = (byte)value;
        for (int i = 0; i < Upper.Length; i++) bytes[Upper[i]] = (byte)(0x80 + i);
        return bytes;
    }
}
