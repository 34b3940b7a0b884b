using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Products of row-major matrices that lie anywhere in memory. libtorch exports the sgemm of the MKL inside it, which is what its own operators end in;
/// calling it directly saves the wrappers around small blocks. A libtorch without that export is used through its operators.
/// </summary>
internal static unsafe class Gemm
{
    private static readonly delegate* unmanaged<byte*, byte*, int*, int*, int*, float*, float*, int*, float*, int*, float*, float*, int*, void> Direct =
        (delegate* unmanaged<byte*, byte*, int*, int*, int*, float*, float*, int*, float*, int*, float*, float*, int*, void>)TorchRuntime.TorchExport("sgemm_");

    /// <summary>c [m, n] = alpha a b + beta c; beta 0 does not read c.</summary>
    /// <param name="a">[m, k], or [k, m] if transposed.</param>
    /// <param name="aStride">Values from one stored row of a to the next; likewise for b and c.</param>
    /// <param name="aTransposed">Whether a is stored as [k, m].</param>
    /// <param name="b">[k, n], or [n, k] if transposed.</param>
    /// <param name="bStride">See <paramref name="aStride"/>.</param>
    /// <param name="bTransposed">Whether b is stored as [n, k].</param>
    /// <param name="c">[m, n].</param>
    /// <param name="cStride">See <paramref name="aStride"/>.</param>
    /// <param name="m">Rows of c.</param>
    /// <param name="n">Columns of c.</param>
    /// <param name="k">Length of the sums.</param>
    /// <param name="alpha">Factor on the product.</param>
    /// <param name="beta">Factor on the old c.</param>
    internal static void Multiply(float* a, int aStride, bool aTransposed, float* b, int bStride, bool bTransposed, float* c, int cStride, int m, int n, int k, float alpha = 1, float beta = 0)
    {
        if (Direct == null)
        {
            ThroughTorch(a, aStride, aTransposed, b, bStride, bTransposed, c, cStride, m, n, k, alpha, beta);
            return;
        }
        // sgemm is column-major: it sees the transposes, and c^T = b^T a^T.
        byte first = (byte)(bTransposed ? 'T' : 'N'), second = (byte)(aTransposed ? 'T' : 'N');
        Direct(&first, &second, &n, &m, &k, &alpha, b, &bStride, a, &aStride, &beta, c, &cStride);
    }

    internal static void ThroughTorch(float* a, int aStride, bool aTransposed, float* b, int bStride, bool bTransposed, float* c, int cStride, int m, int n, int k, float alpha, float beta)
    {
        using Tensor left = View(a, aStride, aTransposed, m, k), right = View(b, bStride, bTransposed, k, n), result = View(c, cStride, false, m, n);
        result.addmm_(left, right, beta, alpha);
    }

    private static Tensor View(float* memory, int stride, bool transposed, int rows, int columns)
    {
        var (outer, inner) = transposed ? (columns, rows) : (rows, columns);
        using Tensor flat = TensorMemory.Wrap(memory, ((long)(outer - 1) * stride) + inner);
        return flat.as_strided([rows, columns], transposed ? [1, stride] : [stride, 1]);
    }
}
