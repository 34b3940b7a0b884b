using ElasticTrain.Core;

namespace ElasticTrain.Model.Network;

/// <summary>What a layer remembers of past tokens: the normed latent and the rotated key that all heads share.</summary>
/// <param name="capacity">Most tokens.</param>
/// <param name="latent">Width of the latent.</param>
/// <param name="rope">Width of the rotated key.</param>
internal sealed unsafe class LatentCache(int capacity, int latent, int rope) : IDisposable
{
    private readonly NativeBuffer _latents = new((long)capacity * latent), _keys = new((long)capacity * rope);

    /// <summary>The latent of a position and those behind it.</summary>
    internal float* Latent(int position) => (float*)_latents.Address + ((long)position * latent);

    /// <summary>The rotated key of a position and those behind it.</summary>
    internal float* Key(int position) => (float*)_keys.Address + ((long)position * rope);

    /// <inheritdoc/>
    public void Dispose()
    {
        _latents.Dispose();
        _keys.Dispose();
    }
}
