namespace ElasticTrain.Data;

/// <summary>
/// The printable stand-ins of the 256 bytes (Radford et al., GPT-2): printable bytes stand for themselves, the others for the characters from
/// U+0100 on, so that tokens of any bytes are text without blanks.
/// </summary>
public static class ByteStandIns
{
    private static readonly char[] Characters = new char[256];
    private static readonly short[] Bytes = new short[0x144];

    static ByteStandIns()
    {
        Array.Fill(Bytes, (short)-1);
        int next = 0x100;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            Characters[value] = (char)(isPrintable ? value : next++);
            Bytes[Characters[value]] = (short)value;
        }
        byte[] order = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
        Array.Sort(order, (a, b) => Characters[a].CompareTo(Characters[b]));
        Order = order;
    }

    /// <summary>The bytes in the order of their stand-ins, which is the order of their ids in the vocabularies of this kind: '!' is first.</summary>
    public static IReadOnlyList<byte> Order { get; }

    /// <summary>A byte's stand-in.</summary>
    public static char Of(byte value) => Characters[value];

    /// <summary>A token as text.</summary>
    public static string Of(ReadOnlySpan<byte> token)
    {
        Span<char> text = token.Length <= 256 ? stackalloc char[token.Length] : new char[token.Length];
        for (int i = 0; i < token.Length; i++) text[i] = Characters[token[i]];
        return text.ToString();
    }

    /// <summary>The bytes of a token that is given as text; null if a character is nobody's stand-in.</summary>
    public static byte[]? Parse(ReadOnlySpan<char> text)
    {
        byte[] token = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] >= Bytes.Length || Bytes[text[i]] < 0) return null;
            token[i] = (byte)Bytes[text[i]];
        }
        return token;
    }
}
