using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Devices;

/// <summary>Gradient buffers full of +0.0: the next one is cleared on another thread while the device computes into this one. One per device, called by its thread alone.</summary>
/// <param name="pool">Where they come from.</param>
/// <param name="length">Values of the flat gradient.</param>
public sealed class GradientBuffers(BufferPool pool, long length) : IDisposable
{
    /// <summary>Values from which on a change of threads pays.</summary>
    private const long BackgroundFrom = 1 << 18;

    private Task<NativeBuffer>? _next;

    /// <summary>A buffer of zeros; the caller returns it to the pool.</summary>
    public NativeBuffer Take()
    {
        var next = _next;
        _next = null;
        return next is null ? Zeros() : next.GetAwaiter().GetResult();
    }

    /// <summary>Begins to clear the buffer that <see cref="Take"/> will return.</summary>
    public void Prepare()
    {
        if (length >= BackgroundFrom) _next ??= Task.Run(Zeros);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_next is not null) pool.Return(Take());
    }

    private NativeBuffer Zeros()
    {
        var buffer = pool.Rent(length);
        buffer.Clear();
        return buffer;
    }
}
