using System.Text;

namespace ElasticTrain.Data.Sources;

/// <summary>A file's text at once: decompressed and decoded, no longer than allowed.</summary>
internal static class WholeText
{
    private const int FirstBuffer = 64 << 10;

    /// <summary>The text, or what is wrong with the file.</summary>
    internal readonly record struct Result(string Text, SourceMetadata Metadata, QuarantinedRecord? Problem)
    {
        internal bool IsTooLong => Problem is { Kind: QuarantineKind.TooLong };
    }

    /// <summary>Reads a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="options">What is known of the encoding.</param>
    /// <param name="maxBytes">The longest text.</param>
    /// <param name="declared">Finds an encoding that the text itself names, if its bytes are no UTF-8; null if it names none.</param>
    internal static Result Read(SourceFile file, SourceOptions options, int maxBytes, Func<ReadOnlySpan<byte>, Encoding?>? declared = null)
    {
        using var bytes = SourceBytes.Open(file, options);
        byte[] buffer = new byte[file.Compression == Compression.None ? (int)Math.Min(file.Bytes, maxBytes) + 1 : Math.Min(FirstBuffer, maxBytes + 1)];
        int length = 0;
        while (true)
        {
            length += bytes.Fill(buffer.AsSpan(length));
            if (length < buffer.Length || length > maxBytes) break;
            Array.Resize(ref buffer, (int)Math.Min(2L * buffer.Length, maxBytes + 1L));
        }
        var text = buffer.AsSpan(0, length);
        if (bytes.Damage is { } damage) return Bad(damage.Kind, $"{damage.Message}, after {bytes.Offset} bytes of text", text);
        if (length > maxBytes) return Bad(QuarantineKind.TooLong, $"more than {maxBytes} bytes", text);
        return Decode(text, bytes.Encoding);

        Result Bad(QuarantineKind kind, string reason, ReadOnlySpan<byte> begin) => new("", SourceMetadata.None, FileItems.Problem(file, kind, reason, Excerpt.Of(begin)));

        Result Decode(ReadOnlySpan<byte> content, Encoding? known)
        {
            int bad = TextSource.InvalidUtf8At(content);
            if (bad < 0) return new Result(Encoding.UTF8.GetString(content), TextEncodings.Of(known), null);
            string reason = $"the byte 0x{content[bad]:X2} at offset {bad}, expected UTF-8";
            if (known is not null || options.Encoding is not null) return Bad(QuarantineKind.Encoding, reason, content);
            var found = declared?.Invoke(content) is { } named ? new TextEncodings.Finding(named, null) : TextEncodings.Detect(content, options);
            if (found.Encoding is null) return Bad(QuarantineKind.Encoding, found.Refusal ?? reason, content);
            try
            {
                return new Result(found.Encoding.GetString(content), found.Metadata, null);
            }
            catch (DecoderFallbackException error)
            {
                return Bad(QuarantineKind.Encoding, $"{reason}; it is likely {found.Encoding.WebName}, but byte {error.Index} is not", content);
            }
        }
    }
}
