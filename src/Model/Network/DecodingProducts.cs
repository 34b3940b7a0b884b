using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// The products of decoding: weights of either format, read once for few rows; the outputs are split over threads, which cannot change a bit. A bf16 weight
/// gives the bits of the fp32 weight of the same value.
/// </summary>
/// <param name="weights">The weights.</param>
/// <param name="team">The threads.</param>
internal sealed unsafe class DecodingProducts(ModelWeights weights, ThreadTeam team)
{
    /// <summary>Fewer weights are not worth a piece of their own.</summary>
    private const int LeastWeights = 1 << 15;

    /// <summary>Rows of a bf16 matrix that are widened at a time, for products with many rows.</summary>
    private const int Block = 256;

    [ThreadStatic] private static NativeBuffer? _widened;

    private readonly FlatMemory _single = weights.Single;

    /// <summary>y [rows, out] = x w^T, or added to y.</summary>
    internal void Multiply(MatrixRef w, float* x, float* y, int rows, bool add) =>
        team.Split(w.Rows, LeastWeights / w.Columns, (first, end) => Multiply(w, first, end - first, x, w.Columns, y + first, w.Rows, rows, add));

    /// <summary>Calls <paramref name="work"/> with ranges of heads, in as many pieces as the work is worth.</summary>
    /// <param name="heads">Number of heads.</param>
    /// <param name="cost">Multiplications of one head.</param>
    /// <param name="work">Gets the first head and the end.</param>
    internal void Split(int heads, long cost, Action<int, int> work) => team.Split(heads, (int)Math.Clamp(LeastWeights / cost, 1, heads), work);

    /// <summary>y [rows, count] = x times the transposed rows [first, first + count) of w, on this thread.</summary>
    internal void Multiply(MatrixRef w, int first, int count, float* x, int xStride, float* y, int yStride, int rows, bool add = false)
    {
        int k = w.Columns;
        long offset = w.Offset + ((long)first * k);
        bool isHalf = weights.IsHalf(w.Offset);
        if (rows <= Gemv.MostRows)
        {
            if (isHalf) Gemv.Multiply(x, xStride, weights.Half(offset), k, y, yStride, rows, count, k, add);
            else Gemv.Multiply(x, xStride, Single(w, first), k, y, yStride, rows, count, k, add);
        }
        else if (!isHalf) Gemm.Multiply(x, xStride, false, Single(w, first), k, true, y, yStride, rows, count, k, add);
        else
        {
            for (int done = 0; done < count; done += Block)
            {
                int part = Math.Min(Block, count - done);
                Gemm.Multiply(x, xStride, false, Widened(offset + ((long)done * k), part * k), k, true, y + done, yStride, rows, part, k, add);
            }
        }
    }

    /// <summary>y [rows, in] = x [rows, count] times the rows [first, first + count) of w, on this thread.</summary>
    internal void Combine(MatrixRef w, int first, int count, float* x, int xStride, float* y, int rows)
    {
        int n = w.Columns;
        long offset = w.Offset + ((long)first * n);
        bool isHalf = weights.IsHalf(w.Offset);
        if (rows > Gemv.MostRows)
        {
            float* matrix = isHalf ? Widened(offset, count * n) : Single(w, first);
            Gemm.Multiply(x, xStride, false, matrix, n, false, y, n, rows, n, count);
            return;
        }
        for (int row = 0; row < rows; row++, x += xStride, y += n)
        {
            if (isHalf) Gemv.Combine(x, weights.Half(offset), n, y, n, count);
            else Gemv.Combine(x, Single(w, first), n, y, n, count);
        }
    }

    /// <summary>The given rows of a table.</summary>
    internal void Gather(MatrixRef table, ReadOnlySpan<int> rows, float* destination)
    {
        int width = table.Columns;
        if (!weights.IsHalf(table.Offset)) RowKernels.Gather(_single.At(table.Offset), rows, destination, width);
        else
        {
            for (int i = 0; i < rows.Length; i++)
                Bfloat16.Widen(new ReadOnlySpan<ushort>(weights.Half(table.Offset + ((long)rows[i] * width)), width), new Span<float>(destination + ((long)i * width), width));
        }
    }

    private float* Single(MatrixRef w, int row) => _single.At(w.Offset) + ((long)row * w.Columns);

    /// <summary>bf16 numbers as fp32, until this thread's next call.</summary>
    private float* Widened(long offset, int count)
    {
        if (_widened is null || _widened.Length < count)
        {
            _widened?.Dispose();
            _widened = new NativeBuffer(count);
        }
        Bfloat16.Widen(new ReadOnlySpan<ushort>(weights.Half(offset), count), _widened.Span);
        return (float*)_widened.Address;
    }
}
