namespace ElasticTrain.Host.Control;

/// <summary>Reads lines of bounded length from a stream; what a peer sends beyond that is never held in memory.</summary>
internal sealed class BoundedLineReader(Stream stream, int limit)
{
    private byte[] buffer = new byte[Math.Min(limit, 4096)];
    private int start, end;

    /// <summary>The next line without its end, null when the peer has closed. A last line without an end counts as none.</summary>
    /// <exception cref="InvalidDataException">The line is longer than the limit.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken ct)
    {
        int scanned = start;
        while (true)
        {
            int newline = buffer.AsSpan(scanned, end - scanned).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                var line = new ReadOnlyMemory<byte>(buffer, start, scanned + newline - start);
                start = scanned + newline + 1;
                return line;
            }
            if (start > 0)
            {
                buffer.AsSpan(start, end - start).CopyTo(buffer);
                end -= start;
                start = 0;
            }
            scanned = end;
            if (end == buffer.Length)
            {
                if (end >= limit) throw new InvalidDataException($"a line is longer than {limit} bytes");
                Array.Resize(ref buffer, Math.Min(limit, 2 * buffer.Length));
            }
            int read = await stream.ReadAsync(buffer.AsMemory(end), ct);
            if (read == 0) return null;
            end += read;
        }
    }
}
