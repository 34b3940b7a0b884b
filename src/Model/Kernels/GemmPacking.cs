using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Brings blocks of matrices into the order in which <see cref="GemmTile"/> reads them: B as panels [k, width], A where it is stored transposed as
/// strips [k, 8]. Copies only: no arithmetic.
/// </summary>
internal static unsafe class GemmPacking
{
    /// <summary>Width of the panel that starts where <paramref name="rest"/> columns are left: 48, or what splits the rest evenly, a multiple of 16.</summary>
    internal static int PanelWidth(int rest)
    {
        const int full = 3 * GemmTile.Lanes;
        if (rest >= 2 * full || (rest > full - GemmTile.Lanes && rest <= full)) return full;
        if (rest > full && rest <= 4 * GemmTile.Lanes) return 2 * GemmTile.Lanes;
        return Math.Min(full, (rest + GemmTile.Lanes - 1) / GemmTile.Lanes * GemmTile.Lanes);
    }

    /// <summary>Packs B [k, n], or B stored as [n, k], into panels one after another; missing columns of the last one are 0.</summary>
    internal static void Panels(float* b, nint stride, bool transposed, int k, int n, float* packed)
    {
        for (int column = 0; column < n;)
        {
            int width = PanelWidth(n - column), columns = Math.Min(width, n - column);
            if (transposed) Transposed(b + (column * stride), stride, k, columns, packed, width);
            else Plain(b + column, stride, k, columns, packed, width);
            packed += (nint)k * width;
            column += width;
        }
    }

    /// <summary>Packs m columns of A stored as [k, m] into strips [k, 8]; a last strip of fewer rows is as wide, and its rest holds anything.</summary>
    internal static void Strips(float* a, nint stride, int k, int m, float* packed)
    {
        for (int row = 0; row < m; row += GemmTile.Rows, packed += (nint)k * GemmTile.Rows)
        {
            int rows = Math.Min(GemmTile.Rows, m - row);
            float* source = a + row, target = packed;
            for (int step = 0; step < k; step++, source += stride, target += GemmTile.Rows)
            {
                if (rows == GemmTile.Rows) Vector256.Load(source).Store(target);
                else for (int i = 0; i < rows; i++) target[i] = source[i];
            }
        }
    }

    private static void Plain(float* b, nint stride, int k, int columns, float* panel, int width)
    {
        for (int step = 0; step < k; step++, b += stride, panel += width)
        {
            int i = 0;
            for (; i <= columns - 16; i += 16)
            {
                Vector256.Load(b + i).Store(panel + i);
                Vector256.Load(b + i + 8).Store(panel + i + 8);
            }
            for (; i < columns; i++) panel[i] = b[i];
            for (; i < width; i++) panel[i] = 0;
        }
    }

    /// <summary>The panel's columns are rows of b.</summary>
    private static void Transposed(float* b, nint stride, int k, int columns, float* panel, int width)
    {
        int column = 0;
        for (; Avx.IsSupported && column <= columns - 8; column += 8)
        {
            float* source = b + (column * stride), target = panel + column;
            int step = 0;
            for (; step <= k - 8; step += 8, source += 8, target += 8 * width) Transpose8(source, stride, target, width);
            for (; step < k; step++, source++, target += width)
            {
                for (int i = 0; i < 8; i++) target[i] = source[i * stride];
            }
        }
        for (; column < width; column++)
        {
            for (int step = 0; step < k; step++) panel[(step * width) + column] = column < columns ? b[(column * stride) + step] : 0;
        }
    }

    private static void Transpose8(float* source, nint stride, float* target, nint width) => Transpose8(
        Vector256.Load(source), Vector256.Load(source + stride), Vector256.Load(source + (2 * stride)), Vector256.Load(source + (3 * stride)),
        Vector256.Load(source + (4 * stride)), Vector256.Load(source + (5 * stride)), Vector256.Load(source + (6 * stride)), Vector256.Load(source + (7 * stride)), target, width);

    /// <summary>Writes eight rows as the columns of [8, width].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Transpose8(Vector256<float> r0, Vector256<float> r1, Vector256<float> r2, Vector256<float> r3, Vector256<float> r4, Vector256<float> r5,
        Vector256<float> r6, Vector256<float> r7, float* target, nint width)
    {
        Vector256<float> t0 = Avx.UnpackLow(r0, r1), t1 = Avx.UnpackHigh(r0, r1), t2 = Avx.UnpackLow(r2, r3), t3 = Avx.UnpackHigh(r2, r3);
        Vector256<float> t4 = Avx.UnpackLow(r4, r5), t5 = Avx.UnpackHigh(r4, r5), t6 = Avx.UnpackLow(r6, r7), t7 = Avx.UnpackHigh(r6, r7);
        r0 = Avx.Shuffle(t0, t2, 0x44);
        r1 = Avx.Shuffle(t0, t2, 0xEE);
        r2 = Avx.Shuffle(t1, t3, 0x44);
        r3 = Avx.Shuffle(t1, t3, 0xEE);
        r4 = Avx.Shuffle(t4, t6, 0x44);
        r5 = Avx.Shuffle(t4, t6, 0xEE);
        r6 = Avx.Shuffle(t5, t7, 0x44);
        r7 = Avx.Shuffle(t5, t7, 0xEE);
        Avx.Permute2x128(r0, r4, 0x20).Store(target);
        Avx.Permute2x128(r1, r5, 0x20).Store(target + width);
        Avx.Permute2x128(r2, r6, 0x20).Store(target + (2 * width));
        Avx.Permute2x128(r3, r7, 0x20).Store(target + (3 * width));
        target += 4 * width;
        Avx.Permute2x128(r0, r4, 0x31).Store(target);
        Avx.Permute2x128(r1, r5, 0x31).Store(target + width);
        Avx.Permute2x128(r2, r6, 0x31).Store(target + (2 * width));
        Avx.Permute2x128(r3, r7, 0x31).Store(target + (3 * width));
    }
}
