using System.Buffers;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>Lets sockets work on the memory of a <see cref="NativeBuffer"/>. Whoever uses the memory keeps the buffer from being disposed meanwhile.</summary>
internal sealed unsafe class NativeBytes : MemoryManager<byte>
{
    private readonly NativeBuffer _buffer;
    private readonly long _offset;
    private readonly int _length;

    private NativeBytes(NativeBuffer buffer, long offset, int length) => (_buffer, _offset, _length) = (buffer, offset, length);

    /// <summary>The bytes of the values [offset, offset + length).</summary>
    public static Memory<byte> Of(NativeBuffer buffer, long offset, int length)
    {
        _ = buffer.Slice(offset, length);
        return new NativeBytes(buffer, offset, checked(length * sizeof(float))).Memory;
    }

    public override Span<byte> GetSpan() => new((float*)_buffer.Address + _offset, _length);

    public override MemoryHandle Pin(int elementIndex = 0) => new((byte*)((float*)_buffer.Address + _offset) + elementIndex, default, this);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
