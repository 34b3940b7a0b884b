using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// The innermost product: a few rows of A against a packed panel of B, the results in registers for the whole block of k. Every element is one chain of
/// fused multiply-adds with k ascending, whatever the tile's shape and the width of the processor's registers: neither can change a bit.
/// </summary>
internal static unsafe class GemmTile
{
    /// <summary>Most rows of a tile.</summary>
    internal const int Rows = 8;

    /// <summary>Columns per register of the wide kernel; panels are 1, 2 or 3 times as wide.</summary>
    internal const int Lanes = 16;

    private interface IShape
    {
        static abstract int Rows { get; }

        static abstract int Vectors { get; }
    }

    /// <summary>c [rows, columns] = a b, or added to c.</summary>
    /// <param name="a">Row i, step k lies at <c>a + i aRow + k aStep</c>.</param>
    /// <param name="aRow">See <paramref name="a"/>.</param>
    /// <param name="aStep">See <paramref name="a"/>.</param>
    /// <param name="rows">1 to 8.</param>
    /// <param name="b">A packed panel [k, width].</param>
    /// <param name="width">16, 32 or 48.</param>
    /// <param name="k">Length of the sums.</param>
    /// <param name="c">The results.</param>
    /// <param name="cStride">Values from one row of c to the next.</param>
    /// <param name="columns">At most <paramref name="width"/>; what the panel has beyond is not written.</param>
    /// <param name="add">Whether the old c is added.</param>
    internal static void Multiply(float* a, nint aRow, nint aStep, int rows, float* b, int width, int k, float* c, nint cStride, int columns, bool add)
    {
        if (!Vector512.IsHardwareAccelerated) Narrow(a, aRow, aStep, rows, b, width, k, c, cStride, columns, add);
        else if (rows == Rows && columns == width) Wide(a, aRow, aStep, rows, b, width, k, c, cStride, add);
        else
        {
            // No calls and no branches while the results are in registers, or the compiler stores them in every step: the part goes through memory.
            float* tile = stackalloc float[Rows * 3 * Lanes];
            Wide(a, aRow, aStep, rows, b, width, k, tile, width, add: false);
            for (int row = 0; row < rows; row++) RowKernels.CopyOrAdd(tile + (row * width), c + (row * cStride), columns, add);
        }
    }

    /// <summary>The same for registers of 256 bits.</summary>
    internal static void Narrow(float* a, nint aRow, nint aStep, int rows, float* b, int width, int k, float* c, nint cStride, int columns, bool add)
    {
        for (int row = 0; row < rows; row += 4)
        {
            for (int column = 0; column < columns; column += 16)
            {
                Narrow4(a + (row * aRow), aRow, aStep, Math.Min(4, rows - row), b + column, width, k, c + (row * cStride) + column, cStride, Math.Min(16, columns - column), add);
            }
        }
    }

    private static void Wide(float* a, nint aRow, nint aStep, int rows, float* b, int width, int k, float* c, nint cStride, bool add)
    {
        if (rows > 4)
        {
            if (width == 3 * Lanes) Wide<Tile8x3>(a, aRow, aStep, rows, b, k, c, cStride, add);
            else if (width == 2 * Lanes) Wide<Tile8x2>(a, aRow, aStep, rows, b, k, c, cStride, add);
            else Wide<Tile8x1>(a, aRow, aStep, rows, b, k, c, cStride, add);
        }
        else if (width == 3 * Lanes) Wide<Tile4x3>(a, aRow, aStep, rows, b, k, c, cStride, add);
        else if (width == 2 * Lanes) Wide<Tile4x2>(a, aRow, aStep, rows, b, k, c, cStride, add);
        else Wide<Tile4x1>(a, aRow, aStep, rows, b, k, c, cStride, add);
    }

    /// <summary>The kernel for 32 registers of 512 bits: up to 8 rows by 3 registers. Rows beyond <paramref name="rows"/> repeat the last one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide<TShape>(float* a, nint aRow, nint aStep, int rows, float* b, int k, float* c, nint cStride, bool add)
        where TShape : struct, IShape
    {
        if (Sse.IsSupported)
        {
            // The results come last, when nothing is left to do while they are fetched.
            for (int row = 0; row < TShape.Rows; row++)
            {
                for (int vector = 0; vector < TShape.Vectors; vector++) Sse.Prefetch0(c + (row * cStride) + (vector * Lanes));
            }
        }
        nint last = rows - 1;
        float* a0 = a, a1 = a + (Math.Min(1, last) * aRow), a2 = a + (Math.Min(2, last) * aRow), a3 = a + (Math.Min(3, last) * aRow);
        float* a4 = a + (Math.Min(4, last) * aRow), a5 = a + (Math.Min(5, last) * aRow), a6 = a + (Math.Min(6, last) * aRow), a7 = a + (Math.Min(7, last) * aRow);
        Vector512<float> c00 = default, c01 = default, c02 = default, c10 = default, c11 = default, c12 = default;
        Vector512<float> c20 = default, c21 = default, c22 = default, c30 = default, c31 = default, c32 = default;
        Vector512<float> c40 = default, c41 = default, c42 = default, c50 = default, c51 = default, c52 = default;
        Vector512<float> c60 = default, c61 = default, c62 = default, c70 = default, c71 = default, c72 = default;
        float* end = b + ((nint)k * TShape.Vectors * Lanes);
        for (nint at = 0; b < end; at += aStep, b += TShape.Vectors * Lanes)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = default, b2 = default;
            if (TShape.Vectors > 1) b1 = Vector512.Load(b + Lanes);
            if (TShape.Vectors > 2) b2 = Vector512.Load(b + (2 * Lanes));
            Vector512<float> v0 = Vector512.Create(a0[at]);
            c00 = Vector512.FusedMultiplyAdd(v0, b0, c00);
            if (TShape.Vectors > 1) c01 = Vector512.FusedMultiplyAdd(v0, b1, c01);
            if (TShape.Vectors > 2) c02 = Vector512.FusedMultiplyAdd(v0, b2, c02);
            Vector512<float> v1 = Vector512.Create(a1[at]);
            c10 = Vector512.FusedMultiplyAdd(v1, b0, c10);
            if (TShape.Vectors > 1) c11 = Vector512.FusedMultiplyAdd(v1, b1, c11);
            if (TShape.Vectors > 2) c12 = Vector512.FusedMultiplyAdd(v1, b2, c12);
            Vector512<float> v2 = Vector512.Create(a2[at]);
            c20 = Vector512.FusedMultiplyAdd(v2, b0, c20);
            if (TShape.Vectors > 1) c21 = Vector512.FusedMultiplyAdd(v2, b1, c21);
            if (TShape.Vectors > 2) c22 = Vector512.FusedMultiplyAdd(v2, b2, c22);
            Vector512<float> v3 = Vector512.Create(a3[at]);
            c30 = Vector512.FusedMultiplyAdd(v3, b0, c30);
            if (TShape.Vectors > 1) c31 = Vector512.FusedMultiplyAdd(v3, b1, c31);
            if (TShape.Vectors > 2) c32 = Vector512.FusedMultiplyAdd(v3, b2, c32);
            if (TShape.Rows <= 4) continue;
            Vector512<float> v4 = Vector512.Create(a4[at]);
            c40 = Vector512.FusedMultiplyAdd(v4, b0, c40);
            if (TShape.Vectors > 1) c41 = Vector512.FusedMultiplyAdd(v4, b1, c41);
            if (TShape.Vectors > 2) c42 = Vector512.FusedMultiplyAdd(v4, b2, c42);
            Vector512<float> v5 = Vector512.Create(a5[at]);
            c50 = Vector512.FusedMultiplyAdd(v5, b0, c50);
            if (TShape.Vectors > 1) c51 = Vector512.FusedMultiplyAdd(v5, b1, c51);
            if (TShape.Vectors > 2) c52 = Vector512.FusedMultiplyAdd(v5, b2, c52);
            Vector512<float> v6 = Vector512.Create(a6[at]);
            c60 = Vector512.FusedMultiplyAdd(v6, b0, c60);
            if (TShape.Vectors > 1) c61 = Vector512.FusedMultiplyAdd(v6, b1, c61);
            if (TShape.Vectors > 2) c62 = Vector512.FusedMultiplyAdd(v6, b2, c62);
            Vector512<float> v7 = Vector512.Create(a7[at]);
            c70 = Vector512.FusedMultiplyAdd(v7, b0, c70);
            if (TShape.Vectors > 1) c71 = Vector512.FusedMultiplyAdd(v7, b1, c71);
            if (TShape.Vectors > 2) c72 = Vector512.FusedMultiplyAdd(v7, b2, c72);
        }
        if (add)
        {
            (Vector512.Load(c) + c00).Store(c);
            if (TShape.Vectors > 1) (Vector512.Load(c + Lanes) + c01).Store(c + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + (2 * Lanes)) + c02).Store(c + (2 * Lanes));
            (Vector512.Load(c + cStride) + c10).Store(c + cStride);
            if (TShape.Vectors > 1) (Vector512.Load(c + cStride + Lanes) + c11).Store(c + cStride + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + cStride + (2 * Lanes)) + c12).Store(c + cStride + (2 * Lanes));
            (Vector512.Load(c + (2 * cStride)) + c20).Store(c + (2 * cStride));
            if (TShape.Vectors > 1) (Vector512.Load(c + (2 * cStride) + Lanes) + c21).Store(c + (2 * cStride) + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + (2 * cStride) + (2 * Lanes)) + c22).Store(c + (2 * cStride) + (2 * Lanes));
            (Vector512.Load(c + (3 * cStride)) + c30).Store(c + (3 * cStride));
            if (TShape.Vectors > 1) (Vector512.Load(c + (3 * cStride) + Lanes) + c31).Store(c + (3 * cStride) + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + (3 * cStride) + (2 * Lanes)) + c32).Store(c + (3 * cStride) + (2 * Lanes));
            if (TShape.Rows <= 4) return;
            (Vector512.Load(c + (4 * cStride)) + c40).Store(c + (4 * cStride));
            if (TShape.Vectors > 1) (Vector512.Load(c + (4 * cStride) + Lanes) + c41).Store(c + (4 * cStride) + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + (4 * cStride) + (2 * Lanes)) + c42).Store(c + (4 * cStride) + (2 * Lanes));
            (Vector512.Load(c + (5 * cStride)) + c50).Store(c + (5 * cStride));
            if (TShape.Vectors > 1) (Vector512.Load(c + (5 * cStride) + Lanes) + c51).Store(c + (5 * cStride) + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + (5 * cStride) + (2 * Lanes)) + c52).Store(c + (5 * cStride) + (2 * Lanes));
            (Vector512.Load(c + (6 * cStride)) + c60).Store(c + (6 * cStride));
            if (TShape.Vectors > 1) (Vector512.Load(c + (6 * cStride) + Lanes) + c61).Store(c + (6 * cStride) + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + (6 * cStride) + (2 * Lanes)) + c62).Store(c + (6 * cStride) + (2 * Lanes));
            (Vector512.Load(c + (7 * cStride)) + c70).Store(c + (7 * cStride));
            if (TShape.Vectors > 1) (Vector512.Load(c + (7 * cStride) + Lanes) + c71).Store(c + (7 * cStride) + Lanes);
            if (TShape.Vectors > 2) (Vector512.Load(c + (7 * cStride) + (2 * Lanes)) + c72).Store(c + (7 * cStride) + (2 * Lanes));
        }
        else
        {
            c00.Store(c);
            if (TShape.Vectors > 1) c01.Store(c + Lanes);
            if (TShape.Vectors > 2) c02.Store(c + (2 * Lanes));
            c10.Store(c + cStride);
            if (TShape.Vectors > 1) c11.Store(c + cStride + Lanes);
            if (TShape.Vectors > 2) c12.Store(c + cStride + (2 * Lanes));
            c20.Store(c + (2 * cStride));
            if (TShape.Vectors > 1) c21.Store(c + (2 * cStride) + Lanes);
            if (TShape.Vectors > 2) c22.Store(c + (2 * cStride) + (2 * Lanes));
            c30.Store(c + (3 * cStride));
            if (TShape.Vectors > 1) c31.Store(c + (3 * cStride) + Lanes);
            if (TShape.Vectors > 2) c32.Store(c + (3 * cStride) + (2 * Lanes));
            if (TShape.Rows <= 4) return;
            c40.Store(c + (4 * cStride));
            if (TShape.Vectors > 1) c41.Store(c + (4 * cStride) + Lanes);
            if (TShape.Vectors > 2) c42.Store(c + (4 * cStride) + (2 * Lanes));
            c50.Store(c + (5 * cStride));
            if (TShape.Vectors > 1) c51.Store(c + (5 * cStride) + Lanes);
            if (TShape.Vectors > 2) c52.Store(c + (5 * cStride) + (2 * Lanes));
            c60.Store(c + (6 * cStride));
            if (TShape.Vectors > 1) c61.Store(c + (6 * cStride) + Lanes);
            if (TShape.Vectors > 2) c62.Store(c + (6 * cStride) + (2 * Lanes));
            c70.Store(c + (7 * cStride));
            if (TShape.Vectors > 1) c71.Store(c + (7 * cStride) + Lanes);
            if (TShape.Vectors > 2) c72.Store(c + (7 * cStride) + (2 * Lanes));
        }
    }

    /// <summary>The kernel for 16 registers of 256 bits: 4 rows by 2 registers.</summary>
    private static void Narrow4(float* a, nint aRow, nint aStep, int rows, float* b, nint width, int k, float* c, nint cStride, int columns, bool add)
    {
        nint last = rows - 1;
        float* a0 = a, a1 = a + (Math.Min(1, last) * aRow), a2 = a + (Math.Min(2, last) * aRow), a3 = a + (Math.Min(3, last) * aRow);
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        float* end = b + (k * width);
        for (nint at = 0; b < end; at += aStep, b += width)
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
            Vector256<float> v = Vector256.Create(a0[at]);
            c00 = Vector256.FusedMultiplyAdd(v, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(v, b1, c01);
            v = Vector256.Create(a1[at]);
            c10 = Vector256.FusedMultiplyAdd(v, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(v, b1, c11);
            v = Vector256.Create(a2[at]);
            c20 = Vector256.FusedMultiplyAdd(v, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(v, b1, c21);
            v = Vector256.Create(a3[at]);
            c30 = Vector256.FusedMultiplyAdd(v, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(v, b1, c31);
        }
        float* tile = stackalloc float[4 * 16];
        c00.Store(tile);
        c01.Store(tile + 8);
        c10.Store(tile + 16);
        c11.Store(tile + 24);
        c20.Store(tile + 32);
        c21.Store(tile + 40);
        c30.Store(tile + 48);
        c31.Store(tile + 56);
        for (int row = 0; row < rows; row++) RowKernels.CopyOrAdd(tile + (row * 16), c + (row * cStride), columns, add);
    }

    private readonly struct Tile8x3 : IShape
    {
        public static int Rows => 8;

        public static int Vectors => 3;
    }

    private readonly struct Tile8x2 : IShape
    {
        public static int Rows => 8;

        public static int Vectors => 2;
    }

    private readonly struct Tile8x1 : IShape
    {
        public static int Rows => 8;

        public static int Vectors => 1;
    }

    private readonly struct Tile4x3 : IShape
    {
        public static int Rows => 4;

        public static int Vectors => 3;
    }

    private readonly struct Tile4x2 : IShape
    {
        public static int Rows => 4;

        public static int Vectors => 2;
    }

    private readonly struct Tile4x1 : IShape
    {
        public static int Rows => 4;

        public static int Vectors => 1;
    }
}
