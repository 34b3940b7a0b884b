using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>
/// Keeps returned <see cref="NativeBuffer"/>s for the next request of exactly the same length: training asks for the same few lengths in
/// every step. Holds at most a fixed number of bytes; what is returned beyond that is freed. Thread-safe.
/// </summary>
/// <param name="retainedBytes">The most bytes that free buffers may occupy.</param>
public sealed class BufferPool(long retainedBytes = BufferPool.DefaultRetainedBytes) : IDisposable
{
    /// <summary>The bound of a pool made without one: 1 GiB.</summary>
    public const long DefaultRetainedBytes = 1L << 30;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, Stack<NativeBuffer>> _free = [];
    private long _retained, _outstanding;
    private bool _disposed;

    /// <summary>Bytes that free buffers occupy now.</summary>
    public long RetainedBytes
    {
        get { lock (_gate) return _retained; }
    }

    /// <summary>Rented minus returned buffers: what somebody still holds, or has lost.</summary>
    public long Outstanding
    {
        get { lock (_gate) return _outstanding; }
    }

    /// <summary>A buffer of exactly <paramref name="length"/> values. <b>Its content is arbitrary.</b></summary>
    /// <param name="length">Number of fp32 values.</param>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public NativeBuffer Rent(long length)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _outstanding++;
            if (_free.TryGetValue(length, out var stack) && stack.TryPop(out var buffer))
            {
                _retained -= Bytes(length);
                return buffer;
            }
        }
        return new NativeBuffer(length);
    }

    /// <summary>Takes a buffer back, rented here or not. The caller must not touch it any more. A disposed pool frees it.</summary>
    /// <exception cref="InvalidOperationException">The buffer is already here: two owners would overwrite each other.</exception>
    public void Return(NativeBuffer buffer)
    {
        long bytes = Bytes(buffer.Length);
        lock (_gate)
        {
            if (!_free.TryGetValue(buffer.Length, out var stack)) _free[buffer.Length] = stack = new();
            if (stack.Contains(buffer)) throw new InvalidOperationException($"A buffer of {buffer.Length} values was returned twice.");
            _outstanding--;
            if (!_disposed && _retained + bytes <= retainedBytes)
            {
                stack.Push(buffer);
                _retained += bytes;
                return;
            }
        }
        buffer.Dispose();
    }

    /// <summary>Frees the free buffers. Buffers still rented are freed when they are returned.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (var buffer in _free.Values.SelectMany(stack => stack)) buffer.Dispose();
            _free.Clear();
            _retained = 0;
        }
    }

    private static long Bytes(long length) => length * sizeof(float);
}
