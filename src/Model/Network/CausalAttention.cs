using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>Rows of heads somewhere in memory: head h of token t starts at <c>Start + t Stride + h HeadStride</c>.</summary>
internal readonly unsafe struct HeadRows(float* start, int stride, int headStride)
{
    /// <summary>Values from one token to the next.</summary>
    internal int Stride { get; } = stride;

    /// <summary>A token's head.</summary>
    internal float* At(long token, int head) => start + (token * Stride) + ((long)head * headStride);
}

/// <summary>
/// Causal softmax(scale q k^T) v, in blocks of queries against the keys that they may see: what lies above the diagonal blocks is never computed. The
/// probabilities of a block stay in the cache and go; backward computes them again, the same bits (Dao et al., arXiv:2205.14135).
/// </summary>
/// <param name="heads">Number of heads.</param>
/// <param name="width">Dimensions of a query and a key.</param>
/// <param name="valueWidth">Dimensions of a value.</param>
/// <param name="scale">Factor on the products of queries and keys.</param>
/// <param name="compute">What is multiplied.</param>
internal sealed unsafe class CausalAttention(int heads, int width, int valueWidth, float scale, ComputeKind compute)
{
    private const int Block = 64;

    /// <summary>Number of values that the probabilities of a block of queries take.</summary>
    internal static long Scratch(int length) => (long)Math.Min(Block, length) * length;

    /// <summary>Writes the output rows.</summary>
    internal void Forward(Pass pass, HeadRows q, HeadRows k, HeadRows v, HeadRows output)
    {
        using Tensor scratch = Workspace.Empty(Scratch(pass.Length));
        float* p = scratch.Pointer();
        for (int row = 0; row < pass.Rows; row++)
        {
            long start = (long)row * pass.Length;
            for (int head = 0; head < heads; head++)
            {
                for (int first = 0; first < pass.Length; first += Block)
                {
                    int queries = Math.Min(Block, pass.Length - first), keys = first + queries;
                    Probabilities(q.At(start + first, head), q.Stride, k.At(start, head), k.Stride, first, queries, p);
                    Gemm.Multiply(p, keys, false, v.At(start, head), v.Stride, false, output.At(start + first, head), output.Stride, queries, valueWidth, keys, compute: compute);
                }
            }
        }
    }

    /// <summary>Writes the gradients of q, k and v from that of the output.</summary>
    internal void Backward(Pass pass, HeadRows q, HeadRows k, HeadRows v, HeadRows dOutput, HeadRows dq, HeadRows dk, HeadRows dv)
    {
        using Tensor again = Workspace.Empty(Scratch(pass.Length)), scratch = Workspace.Empty(Scratch(pass.Length));
        float* p = again.Pointer(), ds = scratch.Pointer();
        int last = (pass.Length - 1) / Block * Block;
        for (int row = 0; row < pass.Rows; row++)
        {
            long start = (long)row * pass.Length;
            for (int head = 0; head < heads; head++)
            {
                // Downwards: the last block sees every key and writes their gradients, the others add to them.
                for (int first = last; first >= 0; first -= Block)
                {
                    int queries = Math.Min(Block, pass.Length - first), keys = first + queries;
                    bool add = first != last;
                    Probabilities(q.At(start + first, head), q.Stride, k.At(start, head), k.Stride, first, queries, p);
                    float* dOut = dOutput.At(start + first, head);
                    Gemm.Multiply(dOut, dOutput.Stride, false, v.At(start, head), v.Stride, true, ds, keys, queries, keys, valueWidth, compute: compute);
                    for (int i = 0; i < queries; i++) SoftmaxKernel.Backward(p + ((long)i * keys), ds + ((long)i * keys), first + i + 1, keys, scale);
                    Gemm.Multiply(ds, keys, false, k.At(start, head), k.Stride, false, dq.At(start + first, head), dq.Stride, queries, width, keys, compute: compute);
                    Gemm.Multiply(ds, keys, true, q.At(start + first, head), q.Stride, false, dk.At(start, head), dk.Stride, keys, width, queries, add, compute);
                    Gemm.Multiply(p, keys, true, dOut, dOutput.Stride, false, dv.At(start, head), dv.Stride, keys, valueWidth, queries, add, compute);
                }
            }
        }
    }

    /// <summary>p [queries, keys] of the queries from <paramref name="first"/> on against every key up to the last of them.</summary>
    private void Probabilities(float* q, int qStride, float* k, int kStride, int first, int queries, float* p)
    {
        int keys = first + queries;
        Gemm.Multiply(q, qStride, false, k, kStride, true, p, keys, queries, keys, width, compute: compute);
        for (int i = 0; i < queries; i++) SoftmaxKernel.Forward(p + ((long)i * keys), first + i + 1, keys, scale);
    }
}
