using ElasticTrain.Core;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Products of row-major matrices that lie anywhere in memory. An element's sum has one order: blocks of <see cref="BlockK"/> steps, in each a chain of
/// fused multiply-adds with k ascending from 0, the blocks added one after another. It depends on k alone: not on the other sizes, on a row's place,
/// on addresses, threads or the width of registers. With <see cref="ComputeKind.Bf16"/> both matrices are rounded to bf16 on their way and <see cref="Bf16Tile"/> says how
/// a chain goes on. Blocking as in Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
/// </summary>
internal static unsafe class Gemm
{
    /// <summary>Steps of k between two roundings into c; changing it changes bits.</summary>
    private const int BlockK = 512;

    /// <summary>A block of A [128, 512] takes a quarter of a second-level cache of 1 MiB.</summary>
    private const int BlockRows = 128;

    /// <summary>B is packed so many columns at a time, 1.5 MiB.</summary>
    private const int BlockColumns = 768;

    [ThreadStatic] private static NativeBuffer? _scratch;

    /// <summary>c [m, n] = a b, or added to c.</summary>
    /// <param name="a">[m, k], or [k, m] if transposed.</param>
    /// <param name="aStride">Values from one stored row of a to the next; likewise for b and c.</param>
    /// <param name="aTransposed">Whether a is stored as [k, m].</param>
    /// <param name="b">[k, n], or [n, k] if transposed.</param>
    /// <param name="bStride">See <paramref name="aStride"/>.</param>
    /// <param name="bTransposed">Whether b is stored as [n, k].</param>
    /// <param name="c">[m, n]; not read unless it is added to.</param>
    /// <param name="cStride">See <paramref name="aStride"/>.</param>
    /// <param name="m">Rows of c.</param>
    /// <param name="n">Columns of c.</param>
    /// <param name="k">Length of the sums.</param>
    /// <param name="add">Whether the product is added to c.</param>
    /// <param name="compute">The type of what is multiplied; sums are fp32.</param>
    internal static void Multiply(float* a, int aStride, bool aTransposed, float* b, int bStride, bool bTransposed, float* c, int cStride, int m, int n, int k, bool add = false,
        ComputeKind compute = ComputeKind.Fp32)
    {
        bool isBf16 = compute == ComputeKind.Bf16;
        if (m == 0 || n == 0) return;
        float* panels = (float*)(_scratch ??= new NativeBuffer(BlockK * (BlockColumns + BlockRows))).Address, strips = panels + (BlockK * BlockColumns);
        // k = 0 still writes its zeros.
        for (int step = 0; step < k || step == 0; step += BlockK)
        {
            int steps = Math.Min(BlockK, k - step);
            for (int first = 0; first < n; first += BlockColumns)
            {
                int columns = Math.Min(BlockColumns, n - first);
                float* block = bTransposed ? b + ((nint)first * bStride) + step : b + ((nint)step * bStride) + first;
                if (isBf16) Bf16Packing.Panels(block, bStride, bTransposed, steps, columns, panels);
                else GemmPacking.Panels(block, bStride, bTransposed, steps, columns, panels);
                for (int row = 0; row < m; row += BlockRows)
                {
                    int rows = Math.Min(BlockRows, m - row);
                    float* target = c + ((nint)row * cStride) + first;
                    if (isBf16)
                    {
                        float* source = aTransposed ? a + ((nint)step * aStride) + row : a + ((nint)row * aStride) + step;
                        Bf16Packing.Strips(source, aStride, aTransposed, steps, rows, strips);
                        BlockOfPairs(strips, rows, panels, columns, (steps + 1) / 2, target, cStride, add || step > 0);
                    }
                    else if (aTransposed)
                    {
                        GemmPacking.Strips(a + ((nint)step * aStride) + row, aStride, steps, rows, strips);
                        Block(strips, 1, GemmTile.Rows, rows, panels, columns, steps, target, cStride, add || step > 0);
                    }
                    else Block(a + ((nint)row * aStride) + step, aStride, 1, rows, panels, columns, steps, target, cStride, add || step > 0);
                }
            }
        }
    }

    /// <summary>All tiles of a block of A against the packed panels: a panel stays in the cache for all rows.</summary>
    private static void Block(float* a, nint rowStride, nint stepStride, int rows, float* panel, int columns, int steps, float* c, nint cStride, bool add)
    {
        bool strips = stepStride != 1;
        for (int column = 0; column < columns;)
        {
            int width = GemmPacking.PanelWidth(columns - column), used = Math.Min(width, columns - column);
            for (int row = 0; row < rows; row += GemmTile.Rows)
            {
                float* tile = strips ? a + ((nint)row * steps) : a + (row * rowStride);
                GemmTile.Multiply(tile, rowStride, stepStride, Math.Min(GemmTile.Rows, rows - row), panel, width, steps, c + (row * cStride) + column, cStride, used, add);
            }
            panel += (nint)steps * width;
            column += width;
        }
    }

    /// <summary>The same for pairs of bf16 numbers, each in the place of an fp32 number.</summary>
    private static void BlockOfPairs(float* strips, int rows, float* panel, int columns, int pairs, float* c, nint cStride, bool add)
    {
        for (int column = 0; column < columns;)
        {
            int width = GemmPacking.PanelWidth(columns - column), used = Math.Min(width, columns - column);
            for (int row = 0; row < rows; row += GemmTile.Rows)
                Bf16Tile.Multiply(strips + ((nint)row * pairs), Math.Min(GemmTile.Rows, rows - row), panel, width, pairs, c + (row * cStride) + column, cStride, used, add);
            panel += (nint)pairs * width;
            column += width;
        }
    }
}
