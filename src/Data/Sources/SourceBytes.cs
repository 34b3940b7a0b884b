using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Sources;

/// <summary>
/// The bytes of a file's text: decompressed, and as UTF-8 where a byte order mark or the options name another encoding. What comes before damage is
/// delivered, then <see cref="Damage"/> says what is wrong.
/// </summary>
internal sealed class SourceBytes : IDisposable
{
    private const int LongestMark = 4;

    private readonly SourceFile _source;
    private readonly FileStream _file;
    private Stream _stream;
    private bool _isSeekable;

    private SourceBytes(SourceFile source, FileStream file, Stream stream) => (_source, _file, _stream) = (source, file, stream);

    /// <summary>The encoding that the bytes came from; null for UTF-8.</summary>
    internal Encoding? Encoding { get; private set; }

    /// <summary>Why the bytes end before the file does.</summary>
    internal DamagedSourceException? Damage { get; private set; }

    /// <summary>Bytes delivered and skipped so far.</summary>
    internal long Offset { get; private set; }

    /// <summary>Opens a file at its beginning; a UTF-8 byte order mark is skipped and counts in the offset.</summary>
    /// <param name="source">The file.</param>
    /// <param name="options">The limits.</param>
    /// <param name="encoding">What the text is in if it has no byte order mark; null for UTF-8.</param>
    /// <exception cref="BadInputException">The file cannot be opened.</exception>
    internal static SourceBytes Open(SourceFile source, SourceOptions options, Encoding? encoding = null)
    {
        var file = OpenFile(source.Path);
        Stream stream = source.Compression switch
        {
            Compression.Gzip => new ExpansionGuard(new GzipMembers(file), () => file.Position, options),
            Compression.Zstandard => new ExpansionGuard(new ZstdSharp.DecompressionStream(file, leaveOpen: false), () => file.Position, options),
            _ => file,
        };
        var bytes = new SourceBytes(source, file, stream) { _isSeekable = source.Compression == Compression.None };
        bytes.Begin(encoding ?? (options.Encoding is { } name ? TextEncodings.Named(name) : null));
        return bytes;
    }

    /// <summary>Opens a file for reading from its beginning to its end.</summary>
    /// <exception cref="BadInputException">It cannot be opened.</exception>
    internal static FileStream OpenFile(string path)
    {
        try
        {
            // A pipe has no size and would be waited for; empty files need not be opened.
            return new FileInfo(path) is { Exists: true, Length: 0 }
                ? new FileStream(OperatingSystem.IsWindows() ? "NUL" : "/dev/null", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1)
                : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(Excerpt.Escape(path), Excerpt.Escape(error.Message), "a file that can be read", error);
        }
    }

    /// <summary>Fills the buffer; less only at the end or before damage.</summary>
    /// <exception cref="BadInputException">The system cannot read the file.</exception>
    internal int Fill(Span<byte> buffer)
    {
        int filled = 0;
        try
        {
            while (Damage is null && filled < buffer.Length)
            {
                int read = _stream.Read(buffer[filled..]);
                if (read == 0) break;
                filled += read;
            }
        }
        catch (DamagedSourceException damage)
        {
            Damage = damage;
        }
        catch (DecoderFallbackException error)
        {
            Damage = new DamagedSourceException(QuarantineKind.Damaged, $"bytes that are no {Encoding!.WebName}", error);
        }
        catch (IOException error)
        {
            throw new BadInputException(Excerpt.Escape(_source.Path), Excerpt.Escape(error.Message), "a file that can be read", error);
        }
        Offset += filled;
        return filled;
    }

    /// <summary>Reads on behind the next line end.</summary>
    /// <param name="buffer">Gets the last of what was read.</param>
    /// <returns>Bytes in the buffer, how many of them belong to the line, and bytes of the line in all.</returns>
    internal (int Filled, int Used, long Skipped) SkipLine(byte[] buffer)
    {
        for (long skipped = 0; ;)
        {
            int filled = Fill(buffer), lineEnd = buffer.AsSpan(0, filled).IndexOf((byte)'\n'), used = lineEnd < 0 ? filled : lineEnd + 1;
            skipped += used;
            if (lineEnd >= 0 || filled < buffer.Length) return (filled, used, skipped);
        }
    }

    /// <summary>Goes on at an offset, which must not lie behind.</summary>
    /// <exception cref="BadInputException">The file ends before.</exception>
    internal void SkipTo(long offset)
    {
        if (_isSeekable && offset > Offset && offset <= _file.Length)
        {
            _stream = _file;
            _file.Position = offset;
            Offset = offset;
            return;
        }
        byte[] skipped = new byte[64 << 10];
        while (Offset < offset)
        {
            if (Fill(skipped.AsSpan(0, (int)Math.Min(skipped.Length, offset - Offset))) == 0)
                throw new BadInputException(Excerpt.Escape(_source.Path), $"{Offset} bytes of text", $"{offset} or more: the file is not the one that was read before");
        }
        if (Offset > offset) throw new BadInputException(Excerpt.Escape(_source.Path), $"the position {offset}", "a position that an item of this file gave");
    }

    public void Dispose() => _stream.Dispose();

    private void Begin(Encoding? encoding)
    {
        byte[] head = new byte[LongestMark];
        int count = Fill(head);
        ReadOnlySpan<byte> mark = head.AsSpan(0, count);
        int length = 0;
        if (mark.StartsWith(System.Text.Encoding.UTF32.Preamble))
        {
            Damage = new DamagedSourceException(QuarantineKind.Damaged, "the byte order mark of UTF-32, expected UTF-8 or UTF-16");
            return;
        }
        if (mark.StartsWith(Encoding.UTF8.Preamble)) (length, encoding) = (3, null);
        else if (mark.StartsWith(Encoding.Unicode.Preamble)) (length, encoding) = (2, Encoding.Unicode);
        else if (mark.StartsWith(Encoding.BigEndianUnicode.Preamble)) (length, encoding) = (2, Encoding.BigEndianUnicode);

        if (length < count || encoding is not null) _stream = new RejoinedStream(head.AsMemory(length, count - length), _stream);
        Offset = length;
        if (encoding is null or UTF8Encoding) return;
        Encoding = encoding;
        Offset = 0;
        _isSeekable = false;
        _stream = encoding is UnicodeEncoding ? new Utf16Stream(_stream, encoding.WebName == "utf-16BE") : Encoding.CreateTranscodingStream(_stream, encoding, System.Text.Encoding.UTF8);
    }
}
