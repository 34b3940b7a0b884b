using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Products of few rows with a matrix that is read once, straight from where it lies: what decoding spends its time on. An element's sum has one order,
/// which depends on its length alone: not on the other sizes, on a row's place, on addresses, threads, the width of registers or the matrix's element type.
/// It is not <see cref="Gemm"/>'s order.
/// </summary>
internal static unsafe class Gemv
{
    /// <summary>Above this, packing the matrix for <see cref="Gemm"/> costs less than reading it several times.</summary>
    internal const int MostRows = 7;

    /// <summary>Chains of a dot product: two registers of 16 lanes.</summary>
    private const int Lanes = 16, Step = 2 * Lanes;

    /// <summary>Outputs of a matrix of which one row after another is added up: eight registers.</summary>
    private const int Columns = 8 * Lanes;

    /// <summary>How far ahead of its use a matrix is fetched.</summary>
    private const int Ahead = 1024;

    /// <summary>Numbers of the matrix, fp32 or bf16.</summary>
    private interface INumber
    {
        static abstract Vector512<float> Load(byte* matrix, nint index);

        static abstract float At(byte* matrix, nint index);

        static abstract int Size { get; }
    }

    /// <summary>y [rows, n] = x w^T, or added to y.</summary>
    /// <param name="x">[rows, k].</param>
    /// <param name="xStride">Values from one row of x to the next; likewise for w and y.</param>
    /// <param name="w">[n, k], fp32.</param>
    /// <param name="wStride">See <paramref name="xStride"/>.</param>
    /// <param name="y">[rows, n]; not read unless it is added to.</param>
    /// <param name="yStride">See <paramref name="xStride"/>.</param>
    /// <param name="rows">Rows of x and y.</param>
    /// <param name="n">Rows of w.</param>
    /// <param name="k">Length of the sums.</param>
    /// <param name="add">Whether the product is added to y.</param>
    internal static void Multiply(float* x, nint xStride, float* w, nint wStride, float* y, nint yStride, int rows, int n, int k, bool add = false) =>
        Multiply<Float32>(x, xStride, (byte*)w, wStride, y, yStride, rows, n, k, add);

    /// <summary>The same with w in bf16.</summary>
    /// <inheritdoc cref="Multiply(float*, nint, float*, nint, float*, nint, int, int, int, bool)"/>
    internal static void Multiply(float* x, nint xStride, ushort* w, nint wStride, float* y, nint yStride, int rows, int n, int k, bool add = false) =>
        Multiply<Half16>(x, xStride, (byte*)w, wStride, y, yStride, rows, n, k, add);

    /// <summary>y [n] = x [k] w: the sum of w's rows, each times its x.</summary>
    /// <param name="x">[k].</param>
    /// <param name="w">[k, n], fp32.</param>
    /// <param name="wStride">Values from one row of w to the next.</param>
    /// <param name="y">[n].</param>
    /// <param name="n">Columns of w.</param>
    /// <param name="k">Rows of w.</param>
    internal static void Combine(float* x, float* w, nint wStride, float* y, int n, int k) => Combine<Float32>(x, (byte*)w, wStride, y, n, k);

    /// <summary>The same with w in bf16.</summary>
    /// <inheritdoc cref="Combine(float*, float*, nint, float*, int, int)"/>
    internal static void Combine(float* x, ushort* w, nint wStride, float* y, int n, int k) => Combine<Half16>(x, (byte*)w, wStride, y, n, k);

    private static void Multiply<TNumber>(float* x, nint xStride, byte* w, nint wStride, float* y, nint yStride, int rows, int n, int k, bool add)
        where TNumber : struct, INumber
    {
        float* block = stackalloc float[16];
        int columns = rows == 1 ? 4 : 2;
        for (int column = 0; column < n; column += columns, w += columns * wStride * TNumber.Size)
        {
            int width = Math.Min(columns, n - column);
            for (int row = 0; row < rows; row += 4)
            {
                int height = rows == 1 ? 1 : Math.Min(4, rows - row);
                // Rows that do not exist repeat the last one.
                if (rows == 1) Dot1X4<TNumber>(x, w, wStride, width - 1, k, block);
                else Dot4X2<TNumber>(x + (row * xStride), xStride, height - 1, w, (width - 1) * wStride, k, block);
                for (int i = 0; i < height; i++)
                {
                    float* target = y + ((row + i) * yStride) + column;
                    for (int j = 0; j < width; j++) target[j] = add ? target[j] + block[(i * columns) + j] : block[(i * columns) + j];
                }
            }
        }
    }

    /// <summary>One row by four of the matrix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot1X4<TNumber>(float* x, byte* w, nint stride, nint last, nint k, float* block)
        where TNumber : struct, INumber
    {
        byte* w0 = w, w1 = w + (Math.Min(1, last) * stride * TNumber.Size), w2 = w + (Math.Min(2, last) * stride * TNumber.Size), w3 = w + (last * stride * TNumber.Size);
        Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        nint i = 0;
        for (; i <= k - Step; i += Step)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(w0 + (i * TNumber.Size) + Ahead);
                Sse.Prefetch0(w1 + (i * TNumber.Size) + Ahead);
                Sse.Prefetch0(w2 + (i * TNumber.Size) + Ahead);
                Sse.Prefetch0(w3 + (i * TNumber.Size) + Ahead);
                if (TNumber.Size == 4)
                {
                    Sse.Prefetch0(w0 + (i * TNumber.Size) + Ahead + 64);
                    Sse.Prefetch0(w1 + (i * TNumber.Size) + Ahead + 64);
                    Sse.Prefetch0(w2 + (i * TNumber.Size) + Ahead + 64);
                    Sse.Prefetch0(w3 + (i * TNumber.Size) + Ahead + 64);
                }
            }
            Vector512<float> x0 = Vector512.Load(x + i), x1 = Vector512.Load(x + i + Lanes);
            a0 = Vector512.FusedMultiplyAdd(TNumber.Load(w0, i), x0, a0);
            a1 = Vector512.FusedMultiplyAdd(TNumber.Load(w0, i + Lanes), x1, a1);
            b0 = Vector512.FusedMultiplyAdd(TNumber.Load(w1, i), x0, b0);
            b1 = Vector512.FusedMultiplyAdd(TNumber.Load(w1, i + Lanes), x1, b1);
            c0 = Vector512.FusedMultiplyAdd(TNumber.Load(w2, i), x0, c0);
            c1 = Vector512.FusedMultiplyAdd(TNumber.Load(w2, i + Lanes), x1, c1);
            d0 = Vector512.FusedMultiplyAdd(TNumber.Load(w3, i), x0, d0);
            d1 = Vector512.FusedMultiplyAdd(TNumber.Load(w3, i + Lanes), x1, d1);
        }
        block[0] = Sum(a0 + a1) + Rest<TNumber>(x, w0, i, k);
        block[1] = Sum(b0 + b1) + Rest<TNumber>(x, w1, i, k);
        block[2] = Sum(c0 + c1) + Rest<TNumber>(x, w2, i, k);
        block[3] = Sum(d0 + d1) + Rest<TNumber>(x, w3, i, k);
    }

    /// <summary>Four rows by two of the matrix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4X2<TNumber>(float* x, nint stride, nint last, byte* w, nint second, nint k, float* block)
        where TNumber : struct, INumber
    {
        float* p = x, q = x + (Math.Min(1, last) * stride), r = x + (Math.Min(2, last) * stride), s = x + (last * stride);
        byte* v = w + (second * TNumber.Size);
        Vector512<float> p0 = default, p1 = default, q0 = default, q1 = default, r0 = default, r1 = default, s0 = default, s1 = default;
        Vector512<float> t0 = default, t1 = default, u0 = default, u1 = default, y0 = default, y1 = default, z0 = default, z1 = default;
        nint i = 0;
        for (; i <= k - Step; i += Step)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(w + (i * TNumber.Size) + Ahead);
                Sse.Prefetch0(v + (i * TNumber.Size) + Ahead);
                if (TNumber.Size == 4)
                {
                    Sse.Prefetch0(w + (i * TNumber.Size) + Ahead + 64);
                    Sse.Prefetch0(v + (i * TNumber.Size) + Ahead + 64);
                }
            }
            Vector512<float> w0 = TNumber.Load(w, i), w1 = TNumber.Load(w, i + Lanes), v0 = TNumber.Load(v, i), v1 = TNumber.Load(v, i + Lanes);
            Vector512<float> x0 = Vector512.Load(p + i), x1 = Vector512.Load(p + i + Lanes);
            p0 = Vector512.FusedMultiplyAdd(w0, x0, p0);
            p1 = Vector512.FusedMultiplyAdd(w1, x1, p1);
            t0 = Vector512.FusedMultiplyAdd(v0, x0, t0);
            t1 = Vector512.FusedMultiplyAdd(v1, x1, t1);
            x0 = Vector512.Load(q + i);
            x1 = Vector512.Load(q + i + Lanes);
            q0 = Vector512.FusedMultiplyAdd(w0, x0, q0);
            q1 = Vector512.FusedMultiplyAdd(w1, x1, q1);
            u0 = Vector512.FusedMultiplyAdd(v0, x0, u0);
            u1 = Vector512.FusedMultiplyAdd(v1, x1, u1);
            x0 = Vector512.Load(r + i);
            x1 = Vector512.Load(r + i + Lanes);
            r0 = Vector512.FusedMultiplyAdd(w0, x0, r0);
            r1 = Vector512.FusedMultiplyAdd(w1, x1, r1);
            y0 = Vector512.FusedMultiplyAdd(v0, x0, y0);
            y1 = Vector512.FusedMultiplyAdd(v1, x1, y1);
            x0 = Vector512.Load(s + i);
            x1 = Vector512.Load(s + i + Lanes);
            s0 = Vector512.FusedMultiplyAdd(w0, x0, s0);
            s1 = Vector512.FusedMultiplyAdd(w1, x1, s1);
            z0 = Vector512.FusedMultiplyAdd(v0, x0, z0);
            z1 = Vector512.FusedMultiplyAdd(v1, x1, z1);
        }
        block[0] = Sum(p0 + p1) + Rest<TNumber>(p, w, i, k);
        block[1] = Sum(t0 + t1) + Rest<TNumber>(p, v, i, k);
        block[2] = Sum(q0 + q1) + Rest<TNumber>(q, w, i, k);
        block[3] = Sum(u0 + u1) + Rest<TNumber>(q, v, i, k);
        block[4] = Sum(r0 + r1) + Rest<TNumber>(r, w, i, k);
        block[5] = Sum(y0 + y1) + Rest<TNumber>(r, v, i, k);
        block[6] = Sum(s0 + s1) + Rest<TNumber>(s, w, i, k);
        block[7] = Sum(z0 + z1) + Rest<TNumber>(s, v, i, k);
    }

    /// <summary>What the registers' steps leave over, as one chain.</summary>
    private static float Rest<TNumber>(float* x, byte* w, nint i, nint k)
        where TNumber : struct, INumber
    {
        float sum = 0;
        for (; i < k; i++) sum = MathF.FusedMultiplyAdd(TNumber.At(w, i), x[i], sum);
        return sum;
    }

    private static float Sum(Vector512<float> v) => VectorMath.Sum(v.GetLower() + v.GetUpper());

    /// <summary>Every output is one chain with k ascending.</summary>
    private static void Combine<TNumber>(float* x, byte* w, nint wStride, float* y, int n, int k)
        where TNumber : struct, INumber
    {
        int column = 0;
        for (; column <= n - Columns; column += Columns) Combine8<TNumber>(x, w + (column * TNumber.Size), wStride, y + column, k);
        for (; column <= n - Lanes; column += Lanes)
        {
            Vector512<float> sum = default;
            for (nint i = 0; i < k; i++) sum = Vector512.FusedMultiplyAdd(TNumber.Load(w, (i * wStride) + column), Vector512.Create(x[i]), sum);
            sum.Store(y + column);
        }
        for (; column < n; column++)
        {
            float sum = 0;
            for (nint i = 0; i < k; i++) sum = MathF.FusedMultiplyAdd(TNumber.At(w, (i * wStride) + column), x[i], sum);
            y[column] = sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Combine8<TNumber>(float* x, byte* w, nint stride, float* y, nint k)
        where TNumber : struct, INumber
    {
        Vector512<float> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (nint i = 0; i < k; i++, w += stride * TNumber.Size)
        {
            Vector512<float> factor = Vector512.Create(x[i]);
            a = Vector512.FusedMultiplyAdd(TNumber.Load(w, 0), factor, a);
            b = Vector512.FusedMultiplyAdd(TNumber.Load(w, Lanes), factor, b);
            c = Vector512.FusedMultiplyAdd(TNumber.Load(w, 2 * Lanes), factor, c);
            d = Vector512.FusedMultiplyAdd(TNumber.Load(w, 3 * Lanes), factor, d);
            e = Vector512.FusedMultiplyAdd(TNumber.Load(w, 4 * Lanes), factor, e);
            f = Vector512.FusedMultiplyAdd(TNumber.Load(w, 5 * Lanes), factor, f);
            g = Vector512.FusedMultiplyAdd(TNumber.Load(w, 6 * Lanes), factor, g);
            h = Vector512.FusedMultiplyAdd(TNumber.Load(w, 7 * Lanes), factor, h);
        }
        a.Store(y);
        b.Store(y + Lanes);
        c.Store(y + (2 * Lanes));
        d.Store(y + (3 * Lanes));
        e.Store(y + (4 * Lanes));
        f.Store(y + (5 * Lanes));
        g.Store(y + (6 * Lanes));
        h.Store(y + (7 * Lanes));
    }

    private readonly struct Float32 : INumber
    {
        public static int Size => sizeof(float);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* matrix, nint index) => Vector512.Load((float*)matrix + index);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float At(byte* matrix, nint index) => ((float*)matrix)[index];
    }

    private readonly struct Half16 : INumber
    {
        public static int Size => sizeof(ushort);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* matrix, nint index) => Bfloat16.Widen(Vector256.Load((ushort*)matrix + index));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float At(byte* matrix, nint index) => Bfloat16.Widen(((ushort*)matrix)[index]);
    }
}
