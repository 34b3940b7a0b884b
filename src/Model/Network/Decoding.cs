using ElasticTrain.Core;
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

        // Rows (head, token), so that the heads of a thread share one product with the cache.
        int rows = _heads * n;
        Tensor absorbed = Workspace.Empty(rows, _latent), turned = Workspace.Empty(rows, _rope), heads = Workspace.Empty(n, _heads * _value);
        using var scores = new NativeBuffer((long)rows * total); // longer with every token: its block would never be asked for again
        var work = new Heads(pass, cache, start, Queries(query, pa), HeadValues(heads), absorbed.Pointer(), turned.Pointer(), (float*)scores.Address);
        pass.Decoding!.Split(_heads, (long)n * ((_nope + _value + (2 * total)) * _latent), (first, end) => Decode(work, first, end));
        Tensor result = Workspace.CopyOf(residual);
        output.Forward(pass, heads.Pointer(), result.Pointer(), n, add: true);
        return result;
    }

    /// <summary>The heads [first, end) from their queries to their weighted values.</summary>
    private void Decode(Heads work, int first, int end)
    {
        DecodingProducts products = work.Pass.Decoding!;
        int n = work.Pass.Tokens, rows = (end - first) * n, total = work.Start + n;
        float* absorbed = work.Absorbed + ((long)first * n * _latent), turned = work.Turned + ((long)first * n * _rope), p = work.Scores + ((long)first * n * total);
        for (int h = first; h < end; h++)
        {
            HeadRows q = work.Queries;
            products.Combine(keyValueUp.Weight, h * (_nope + _value), _nope, q.At(0, h), q.Stride, work.Absorbed + ((long)h * n * _latent), n);
            for (int i = 0; i < n; i++) work.Pass.Rotary.Rotate(q.At(i, h) + _nope, work.Turned + ((((long)h * n) + i) * _rope), work.Start + i);
        }
        Gemm.Multiply(absorbed, _latent, false, work.Cache.Latent(0), _latent, true, p, total, rows, total, _latent);
        Gemm.Multiply(turned, _rope, false, work.Cache.Key(0), _rope, true, p, total, rows, total, _rope, add: true);
        for (int row = 0; row < rows; row++) SoftmaxKernel.Forward(p + ((long)row * total), work.Start + (row % n) + 1, total, _scale);
        float* context = absorbed; // the queries have done their work
        Gemm.Multiply(p, total, false, work.Cache.Latent(0), _latent, false, context, _latent, rows, _latent, total);
        for (int h = first; h < end; h++)
            products.Multiply(keyValueUp.Weight, (h * (_nope + _value)) + _nope, _value, work.Absorbed + ((long)h * n * _latent), _latent, work.Values.At(0, h), work.Values.Stride, n);
    }

    /// <summary>What the threads share that compute the heads: queries [n, h], values [n, h], and for each head and token the absorbed query, the turned one and the scores.</summary>
    private sealed class Heads(Pass pass, LatentCache cache, int start, HeadRows queries, HeadRows values, float* absorbed, float* turned, float* scores)
    {
        internal Pass Pass => pass;
        internal LatentCache Cache => cache;
        internal int Start => start;
        internal HeadRows Queries => queries;
        internal HeadRows Values => values;
        internal float* Absorbed => absorbed;
        internal float* Turned => turned;
        internal float* Scores => scores;
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
