namespace ElasticTrain.Data.Sources;

/// <summary>A stream that is only read, forwards.</summary>
internal abstract class ReadOnlyStream : Stream
{
    public sealed override bool CanRead => true;

    public sealed override bool CanSeek => false;

    public sealed override bool CanWrite => false;

    public sealed override long Length => throw new NotSupportedException();

    public sealed override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public sealed override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public abstract override int Read(Span<byte> buffer);

    public sealed override void Flush() { }

    public sealed override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public sealed override void SetLength(long value) => throw new NotSupportedException();

    public sealed override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>A stream that is made block by block from another one.</summary>
/// <param name="inner">The other one; disposed with this stream.</param>
/// <param name="blockBytes">Room for a block.</param>
internal abstract class BlockStream(Stream inner, int blockBytes) : ReadOnlyStream
{
    private readonly byte[] _block = new byte[blockBytes];
    private int _start, _end;

    public sealed override int Read(Span<byte> buffer)
    {
        while (_start == _end)
        {
            if (FillBlock(_block) is not { } filled) return 0;
            (_start, _end) = (0, filled);
        }
        int count = Math.Min(buffer.Length, _end - _start);
        _block.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    /// <summary>Writes the next bytes and says how many, which may be none; null at the end.</summary>
    protected abstract int? FillBlock(Span<byte> block);

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>Bytes that were read ahead, then the rest.</summary>
internal sealed class RejoinedStream(ReadOnlyMemory<byte> head, Stream rest) : ReadOnlyStream
{
    private ReadOnlyMemory<byte> _head = head;

    public override int Read(Span<byte> buffer)
    {
        if (_head.IsEmpty) return rest.Read(buffer);
        int count = Math.Min(_head.Length, buffer.Length);
        _head.Span[..count].CopyTo(buffer);
        _head = _head[count..];
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) rest.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>The bytes of a file cannot be read beyond some place; what came before is good.</summary>
internal sealed class DamagedSourceException(QuarantineKind kind, string reason, Exception? inner = null) : Exception(reason, inner)
{
    internal QuarantineKind Kind => kind;
}
