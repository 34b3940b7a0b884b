using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <content>
/// Decoding with the absorbed form (DeepSeek-V2, arXiv:2405.04434, section 2.1.2): queries go through the up-projection of the keys instead of the keys, and
/// the up-projection of the values is applied to the weighted latents. Past tokens are never expanded.
/// </content>
internal sealed unsafe partial class LatentAttention
{
    private readonly float _scale = Scale(config);

    /// <summary>An empty cache.</summary>
    internal LatentCache NewCache() => new(_latent, _rope);

    /// <summary>residual + attention(x) of tokens [n, hidden] at the positions from <paramref name="start"/> on; their latents go into the cache.</summary>
    internal Tensor Decode(Pass pass, LatentCache cache, int start, Tensor x, Tensor residual)
    {
        int n = pass.Tokens, total = start + n;
        var (a, _, _, query, latents, _) = Compress(pass, x);
        float* pa = a.Pointer();
        RowKernels.Copy(latents.Pointer(), cache.Latent(start), n * _latent);
        for (int i = 0; i < n; i++) pass.Rotary.Rotate(pa + ((long)i * _width) + _queryWidth + _latent, cache.Key(start + i), start + i);

        // Rows (head, token), so that all heads share one product with the cache.
        int rows = _heads * n;
        Tensor absorbed = Workspace.Empty(rows, _latent), turned = Workspace.Empty(rows, _rope), heads = Workspace.Empty(n, _heads * _value);
        Tensor scores = empty(rows, total); // longer with every token: its block would never be asked for again
        HeadRows q = Queries(query, pa), values = HeadValues(heads);
        for (int h = 0; h < _heads; h++)
        {
            float* keyUp = keyValueUp.Row(pass, h * (_nope + _value)); // [nope, latent]
            Gemm.Multiply(q.At(0, h), q.Stride, false, keyUp, _latent, false, absorbed.Pointer() + ((long)h * n * _latent), _latent, n, _latent, _nope);
            for (int i = 0; i < n; i++) pass.Rotary.Rotate(q.At(i, h) + _nope, turned.Pointer() + (((long)h * n) + i) * _rope, start + i);
        }
        float* p = scores.Pointer();
        Gemm.Multiply(absorbed.Pointer(), _latent, false, cache.Latent(0), _latent, true, p, total, rows, total, _latent);
        Gemm.Multiply(turned.Pointer(), _rope, false, cache.Key(0), _rope, true, p, total, rows, total, _rope, add: true);
        for (int row = 0; row < rows; row++) SoftmaxKernel.Forward(p + ((long)row * total), start + (row % n) + 1, total, _scale);
        Tensor context = absorbed; // the queries have done their work
        Gemm.Multiply(p, total, false, cache.Latent(0), _latent, false, context.Pointer(), _latent, rows, _latent, total);
        for (int h = 0; h < _heads; h++)
        {
            float* valueUp = keyValueUp.Row(pass, (h * (_nope + _value)) + _nope); // [v, latent]
            Gemm.Multiply(context.Pointer() + ((long)h * n * _latent), _latent, false, valueUp, _latent, true, values.At(0, h), values.Stride, n, _value, _latent);
        }
        Tensor result = Workspace.CopyOf(residual);
        output.Forward(pass, heads.Pointer(), result.Pointer(), n, add: true);
        return result;
    }
}

internal sealed unsafe partial class DecoderLayer
{
    /// <summary>An empty cache.</summary>
    internal LatentCache NewCache() => attention.NewCache();

    /// <summary>The residual stream [n, hidden] after this layer, for tokens at the positions from <paramref name="start"/> on.</summary>
    internal Tensor Decode(Pass pass, LatentCache cache, int start, Tensor x, Span<long> tokensPerExpert)
    {
        int hidden = (int)x.shape[1];
        (Tensor normedX, _) = inputNorm.Forward(pass, x.Pointer(), hidden, pass.Tokens);
        Tensor middle = attention.Decode(pass, cache, start, normedX, x);
        (Tensor normedMiddle, _) = postAttentionNorm.Forward(pass, middle.Pointer(), hidden, pass.Tokens);
        return dense is not null ? dense.Forward(pass, normedMiddle, middle).Output : experts!.Forward(pass, normedMiddle, middle, tokensPerExpert).Output;
    }
}

internal sealed partial class DeepSeekNetwork
{
    /// <summary>Empty caches, one for each layer.</summary>
    internal LatentCache[] NewCaches() => [.. _layers.Select(layer => layer.NewCache())];

    /// <summary>The logits [1, vocabulary] after the last of the tokens, which stand at the positions from <paramref name="start"/> on.</summary>
    internal Tensor Decode(Pass pass, LatentCache[] caches, int start, ReadOnlySpan<int> tokens)
    {
        Tensor x = _embedding.Forward(pass, tokens);
        long[] counts = new long[_layout.MoeLayerCount * _layout.Config.NRoutedExperts];
        for (int i = 0; i < _layers.Length; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor output = _layers[i].Decode(pass, caches[i], start, x, Counts(counts, i)).MoveToOuterDisposeScope();
            x.Dispose();
            x = output;
        }
        (Tensor normed, _) = _norm.Forward(pass, x.narrow(0, tokens.Length - 1, 1));
        return _head.Logits(pass, normed);
    }
}
