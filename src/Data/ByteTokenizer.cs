using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>The byte-level tokenizer: ids 0..255 are the bytes of UTF-8, 256 ends a document, 257..259 are reserved and never written.</summary>
public static class ByteTokenizer
{
    /// <summary>Number of ids, the reserved ones included.</summary>
    public const int VocabSize = 260;

    /// <summary>Number of ids that stand for a byte.</summary>
    public const int ByteCount = 256;

    /// <summary>The id that ends every document.</summary>
    public const int EndOfDocument = 256;

    /// <summary>Identifies the tokenizer: part of what determines a run.</summary>
    public static Digest256 Hash { get; } = Digest256.Of("elastictrain-byte-tokenizer/1 bytes=0..255 end-of-document=256 vocabulary=260");

    /// <summary>The tokens of a text, without an end-of-document token.</summary>
    public static int[] Encode(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int[] tokens = new int[bytes.Length];
        for (int i = 0; i < bytes.Length; i++) tokens[i] = bytes[i];
        return tokens;
    }

    /// <summary>
    /// The text of tokens. Ids that are no byte give nothing. Bytes that are no complete UTF-8 (a cut character, an untrained model's output)
    /// become U+FFFD.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public static string Decode(ReadOnlySpan<int> tokens)
    {
        byte[] bytes = new byte[tokens.Length];
        int count = 0;
        foreach (int token in tokens)
        {
            if ((uint)token >= VocabSize) throw new ArgumentOutOfRangeException(nameof(tokens), $"Token {token} is not in [0, {VocabSize}).");
            if (token < ByteCount) bytes[count++] = (byte)token;
        }
        return Encoding.UTF8.GetString(bytes, 0, count);
    }
}
