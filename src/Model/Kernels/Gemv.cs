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

    /// <summary>Chains of a dot product: four registers of 16 lanes.</summary>
    private const int Lanes = 16, Step = 4 * Lanes;

    /// <summary>Outputs of a matrix of which one row after another is added up: eight registers.</summary>
    private const int Columns = 8 * Lanes;

    /// <summary>Numbers of the matrix, fp32 or bf16.</summary>
    private interface INumber
    {
        static abstract Vector512<float> Load(byte* matrix, nint index);

        static abstract float At(byte* matrix, nint index);

        static abstract int Size { get; }

        /// <summary>Bytes from what is used to what is fetched into the second-level cache meanwhile; measured.</summary>
        static abstract int Ahead { get; }
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
        float* sums = stackalloc float[4 * Lanes];
        for (int column = 0; column < n; column++, w += wStride * TNumber.Size)
        {
            for (int row = 0; row < rows; row += 4)
            {
                int height = Math.Min(4, rows - row);
                // Rows that do not exist repeat the last one.
                if (rows == 1) Dot<TNumber>(x, w, k, sums);
                else Dot4<TNumber>(x + (row * xStride), xStride, height - 1, w, k, sums);
                for (int i = 0; i < height; i++)
                {
                    Vector512<float> lanes = Vector512.Load(sums + (i * Lanes));
                    float sum = VectorMath.Sum(lanes.GetLower() + lanes.GetUpper());
                    if (k % Step != 0) sum += Rest<TNumber>(x + ((row + i) * xStride), w, k);
                    float* target = y + ((row + i) * yStride) + column;
                    *target = add ? *target + sum : sum;
                }
            }
        }
    }

    /// <summary>One row of x by one of w. No calls here and below, or the compiler stores the sums in every step.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot<TNumber>(float* x, byte* w, nint k, float* sums)
        where TNumber : struct, INumber
    {
        Vector512<float> a = default, b = default, c = default, d = default;
        for (nint i = 0; i <= k - Step; i += Step)
        {
            Fetch<TNumber>(w, i);
            a = Vector512.FusedMultiplyAdd(TNumber.Load(w, i), Vector512.Load(x + i), a);
            b = Vector512.FusedMultiplyAdd(TNumber.Load(w, i + Lanes), Vector512.Load(x + i + Lanes), b);
            c = Vector512.FusedMultiplyAdd(TNumber.Load(w, i + (2 * Lanes)), Vector512.Load(x + i + (2 * Lanes)), c);
            d = Vector512.FusedMultiplyAdd(TNumber.Load(w, i + (3 * Lanes)), Vector512.Load(x + i + (3 * Lanes)), d);
        }
        (a + b + (c + d)).Store(sums);
    }

    /// <summary>Four rows of x by one of w.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4<TNumber>(float* x, nint stride, nint last, byte* w, nint k, float* sums)
        where TNumber : struct, INumber
    {
        float* p = x, q = x + (Math.Min(1, last) * stride), r = x + (Math.Min(2, last) * stride), s = x + (last * stride);
        Vector512<float> p0 = default, p1 = default, p2 = default, p3 = default;
        Vector512<float> q0 = default, q1 = default, q2 = default, q3 = default;
        Vector512<float> r0 = default, r1 = default, r2 = default, r3 = default;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nint i = 0; i <= k - Step; i += Step)
        {
            Fetch<TNumber>(w, i);
            Vector512<float> v = TNumber.Load(w, i);
            p0 = Vector512.FusedMultiplyAdd(v, Vector512.Load(p + i), p0);
            q0 = Vector512.FusedMultiplyAdd(v, Vector512.Load(q + i), q0);
            r0 = Vector512.FusedMultiplyAdd(v, Vector512.Load(r + i), r0);
            s0 = Vector512.FusedMultiplyAdd(v, Vector512.Load(s + i), s0);
            v = TNumber.Load(w, i + Lanes);
            p1 = Vector512.FusedMultiplyAdd(v, Vector512.Load(p + i + Lanes), p1);
            q1 = Vector512.FusedMultiplyAdd(v, Vector512.Load(q + i + Lanes), q1);
            r1 = Vector512.FusedMultiplyAdd(v, Vector512.Load(r + i + Lanes), r1);
            s1 = Vector512.FusedMultiplyAdd(v, Vector512.Load(s + i + Lanes), s1);
            v = TNumber.Load(w, i + (2 * Lanes));
            p2 = Vector512.FusedMultiplyAdd(v, Vector512.Load(p + i + (2 * Lanes)), p2);
            q2 = Vector512.FusedMultiplyAdd(v, Vector512.Load(q + i + (2 * Lanes)), q2);
            r2 = Vector512.FusedMultiplyAdd(v, Vector512.Load(r + i + (2 * Lanes)), r2);
            s2 = Vector512.FusedMultiplyAdd(v, Vector512.Load(s + i + (2 * Lanes)), s2);
            v = TNumber.Load(w, i + (3 * Lanes));
            p3 = Vector512.FusedMultiplyAdd(v, Vector512.Load(p + i + (3 * Lanes)), p3);
            q3 = Vector512.FusedMultiplyAdd(v, Vector512.Load(q + i + (3 * Lanes)), q3);
            r3 = Vector512.FusedMultiplyAdd(v, Vector512.Load(r + i + (3 * Lanes)), r3);
            s3 = Vector512.FusedMultiplyAdd(v, Vector512.Load(s + i + (3 * Lanes)), s3);
        }
        (p0 + p1 + (p2 + p3)).Store(sums);
        (q0 + q1 + (q2 + q3)).Store(sums + Lanes);
        (r0 + r1 + (r2 + r3)).Store(sums + (2 * Lanes));
        (s0 + s1 + (s2 + s3)).Store(sums + (3 * Lanes));
    }

    /// <summary>Asks for what comes later: more is under way than the processor's own prefetching asks for, which ends with each page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch<TNumber>(byte* w, nint i)
        where TNumber : struct, INumber
    {
        if (!Sse.IsSupported) return;
        byte* next = w + (i * TNumber.Size) + TNumber.Ahead;
        Sse.Prefetch1(next);
        Sse.Prefetch1(next + 64);
        if (TNumber.Size == sizeof(ushort)) return;
        Sse.Prefetch1(next + 128);
        Sse.Prefetch1(next + 192);
    }

    /// <summary>What the registers' steps leave over, as one chain.</summary>
    private static float Rest<TNumber>(float* x, byte* w, int k)
        where TNumber : struct, INumber
    {
        float sum = 0;
        for (int i = k / Step * Step; i < k; i++) sum = MathF.FusedMultiplyAdd(TNumber.At(w, i), x[i], sum);
        return sum;
    }

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

        public static int Ahead => 4096;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* matrix, nint index) => Vector512.Load((float*)matrix + index);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float At(byte* matrix, nint index) => ((float*)matrix)[index];
    }

    private readonly struct Half16 : INumber
    {
        public static int Size => sizeof(ushort);

        public static int Ahead => 6144;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* matrix, nint index) => Bfloat16.Widen(Vector256.Load((ushort*)matrix + index));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float At(byte* matrix, nint index) => Bfloat16.Widen(((ushort*)matrix)[index]);
    }
}
