using ElasticTrain.Core;

namespace ElasticTrain.Model.Network;

/// <summary>What a layer remembers of past tokens: the normed latent and the rotated key that all heads share.</summary>
/// <param name="latent">Width of the latent.</param>
/// <param name="rope">Width of the rotated key.</param>
internal sealed unsafe class LatentCache(int latent, int rope) : IDisposable
{
    private NativeBuffer _latents = new(0), _keys = new(0);

    /// <summary>Makes room for this many tokens, at least as many as there are; what is remembered stays.</summary>
    internal void Grow(int tokens)
    {
        _latents = Grown(_latents, (long)tokens * latent);
        _keys = Grown(_keys, (long)tokens * rope);
    }

    /// <summary>The latent of a position and those behind it.</summary>
    internal float* Latent(int position) => (float*)_latents.Address + ((long)position * latent);

    /// <summary>The rotated key of a position and those behind it.</summary>
    internal float* Key(int position) => (float*)_keys.Address + ((long)position * rope);

    private static NativeBuffer Grown(NativeBuffer buffer, long length)
    {
        var larger = new NativeBuffer(length);
        Buffer.MemoryCopy((void*)buffer.Address, (void*)larger.Address, length * sizeof(float), buffer.Length * sizeof(float));
        buffer.Dispose();
        return larger;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _latents.Dispose();
        _keys.Dispose();
    }
}
