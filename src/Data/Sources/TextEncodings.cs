using System.Buffers;
using System.Text;
using ElasticTrain.Core;
using UtfUnknown;

namespace ElasticTrain.Data.Sources;

/// <summary>Which encoding a text is in, and its strict decoding.</summary>
internal static class TextEncodings
{
    /// <summary>Fewer bytes beyond ASCII say nothing: a stray byte is damage.</summary>
    private const int LeastEvidence = 8;

    /// <summary>An encoding that was found out.</summary>
    /// <param name="Encoding">It; null for UTF-8.</param>
    /// <param name="Refusal">Why the text is not read, where it is neither.</param>
    /// <param name="IsStray">Hardly anything is not ASCII: of a long text only the places with such bytes are bad.</param>
    internal readonly record struct Finding(Encoding? Encoding, string? Refusal, bool IsStray = false)
    {
        internal SourceMetadata Metadata => Of(Encoding);
    }

    /// <summary>What goes into metadata: nothing for UTF-8.</summary>
    internal static SourceMetadata Of(Encoding? encoding) => encoding is null ? SourceMetadata.None : SourceMetadata.Of("source.encoding", encoding.WebName);

    /// <summary>An encoding by its name, that throws where bytes do not belong to it.</summary>
    /// <exception cref="BadInputException">There is none of that name.</exception>
    internal static Encoding Named(string name)
    {
        try
        {
            return CodePagesEncodingProvider.Instance.GetEncoding(name, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback)
                ?? Encoding.GetEncoding(name, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new BadInputException("encoding", Excerpt.Of(name), "the name of an encoding, such as windows-1252", error);
        }
    }

    /// <summary>The encoding of a text without a byte order mark. A UTF-8 text with some damage is UTF-8.</summary>
    /// <param name="sample">The text, or how it begins.</param>
    /// <param name="options">How sure it must be.</param>
    internal static Finding Detect(ReadOnlySpan<byte> sample, SourceOptions options)
    {
        var (valid, invalid, firstBad) = CountBeyondAscii(sample);
        if (invalid == 0 || valid >= invalid) return default;
        string bad = $"the byte 0x{sample[firstBad]:X2} at offset {firstBad}, expected UTF-8";
        if (valid + invalid < LeastEvidence) return new Finding(null, bad, IsStray: true);
        var best = CharsetDetector.DetectFromBytes(sample.ToArray()).Detected;
        if (best is null) return new Finding(null, $"{bad}; no other encoding was recognised");
        if (best.Confidence < options.MinConfidence)
            return new Finding(null, FormattableString.Invariant($"{bad}; {best.EncodingName} is likely ({best.Confidence:F2}), but not sure ({options.MinConfidence:F2} is needed): convert it, or name the encoding"));
        try
        {
            return new Finding(Named(best.EncodingName), null);
        }
        catch (BadInputException)
        {
            // The detector knows more encodings than .NET does.
            return new Finding(null, $"{bad}; it is likely {best.EncodingName}, which is not supported");
        }
    }

    /// <summary>Characters beyond ASCII that are valid UTF-8, bytes that are not, and where the first of these stands. A character that the sample cuts counts as one such byte.</summary>
    private static (int Valid, int Invalid, int FirstBad) CountBeyondAscii(ReadOnlySpan<byte> text)
    {
        (int valid, int invalid, int firstBad) = (0, 0, -1);
        for (int at = 0; ;)
        {
            int ascii = text[at..].IndexOfAnyExceptInRange((byte)0, (byte)0x7F);
            if (ascii < 0) return (valid, invalid, firstBad);
            at += ascii;
            var status = Rune.DecodeFromUtf8(text[at..], out _, out int consumed);
            if (status == OperationStatus.Done) valid++;
            else
            {
                if (firstBad < 0) firstBad = at;
                invalid++;
            }
            at += consumed;
        }
    }
}
