using System.Buffers;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// Text as it is compared for equality: lower case, white space of any kind and length as one space, none at the ends. Punctuation counts.
/// </summary>
public static class NormalText
{
    private const int Chunk = 1 << 14, Longest = 4;

    /// <summary>SHA-256 of the normal form. Memory does not grow with the text.</summary>
    /// <param name="text">UTF-8; bytes that are none count as U+FFFD.</param>
    public static Digest256 Digest(ReadOnlySpan<byte> text)
    {
        using var builder = new DigestBuilder();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            bool space = false, any = false;
            while (!text.IsEmpty) builder.Add(buffer.AsSpan(0, Fill(ref text, buffer, ref space, ref any)));
            return builder.Finish();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Writes some of the normal form, as much as fits or as there is.</summary>
    private static int Fill(ref ReadOnlySpan<byte> text, Span<byte> buffer, ref bool space, ref bool any)
    {
        (int at, int count) = (0, 0);
        while (at < text.Length && count < buffer.Length - Longest - 1)
        {
            byte one = text[at];
            int length = 1;
            Rune rune = default;
            bool isSpace = one is (byte)' ' or (>= (byte)'\t' and <= (byte)'\r');
            if (one >= 0x80)
            {
                _ = Rune.DecodeFromUtf8(text[at..], out rune, out length);
                isSpace = Rune.IsWhiteSpace(rune);
            }
            at += length;
            if (isSpace)
            {
                space = any;
                continue;
            }
            if (space) buffer[count++] = (byte)' ';
            (space, any) = (false, true);
            if (one >= 0x80) count += Rune.ToLowerInvariant(rune).EncodeToUtf8(buffer[count..]);
            else buffer[count++] = one is >= (byte)'A' and <= (byte)'Z' ? (byte)(one | 0x20) : one;
        }
        text = text[at..];
        return count;
    }
}
