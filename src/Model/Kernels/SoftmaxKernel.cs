using System.Runtime.Intrinsics;

namespace ElasticTrain.Model.Kernels;

/// <summary>Softmax of attention scores, row by row, in place.</summary>
internal static unsafe class SoftmaxKernel
{
    /// <summary>The first <paramref name="seen"/> values become softmax(scale * value), the rest of the row 0.</summary>
    internal static void Forward(float* row, int seen, int width, float scale)
    {
        Vector256<float> maxima = Vector256.Create(row[0]);
        int i = 0;
        for (; i <= seen - 8; i += 8) maxima = Vector256.MaxNative(maxima, Vector256.Load(row + i));
        float maximum = maxima[0];
        for (int lane = 1; lane < 8; lane++) maximum = MathF.Max(maximum, maxima[lane]);
        for (; i < seen; i++) maximum = MathF.Max(maximum, row[i]);

        Vector256<float> factor = Vector256.Create(scale), shift = Vector256.Create(-maximum * scale), sum0 = default, sum1 = default;
        for (i = 0; i <= seen - 16; i += 16)
        {
            Vector256<float> a = VectorMath.Exp(Vector256.FusedMultiplyAdd(Vector256.Load(row + i), factor, shift));
            Vector256<float> b = VectorMath.Exp(Vector256.FusedMultiplyAdd(Vector256.Load(row + i + 8), factor, shift));
            a.Store(row + i);
            b.Store(row + i + 8);
            sum0 += a;
            sum1 += b;
        }
        float rest = 0;
        for (; i < seen; i += 8)
        {
            int count = Math.Min(8, seen - i);
            VectorMath.StorePart(VectorMath.Exp(Vector256.FusedMultiplyAdd(VectorMath.LoadPart(row + i, count), factor, shift)), row + i, count);
            for (int lane = 0; lane < count; lane++) rest += row[i + lane];
        }
        float inverse = 1 / (VectorMath.Sum(sum0 + sum1) + rest);
        for (i = 0; i <= seen - 8; i += 8) (Vector256.Load(row + i) * inverse).Store(row + i);
        for (; i < seen; i++) row[i] *= inverse;
        new Span<float>(row + seen, width - seen).Clear();
    }

    /// <summary>Replaces the gradient of the probabilities by that of the unscaled scores: scale p (dp - sum(p dp)).</summary>
    internal static void Backward(float* probabilities, float* gradient, int seen, int width, float scale)
    {
        Vector256<float> dot0 = default, dot1 = default;
        int i = 0;
        for (; i <= seen - 16; i += 16)
        {
            dot0 = Vector256.FusedMultiplyAdd(Vector256.Load(probabilities + i), Vector256.Load(gradient + i), dot0);
            dot1 = Vector256.FusedMultiplyAdd(Vector256.Load(probabilities + i + 8), Vector256.Load(gradient + i + 8), dot1);
        }
        float dot = VectorMath.Sum(dot0 + dot1);
        for (; i < seen; i++) dot = MathF.FusedMultiplyAdd(probabilities[i], gradient[i], dot);
        for (i = 0; i <= seen - 8; i += 8)
            (Vector256.Load(probabilities + i) * scale * (Vector256.Load(gradient + i) - Vector256.Create(dot))).Store(gradient + i);
        for (; i < seen; i++) gradient[i] = probabilities[i] * scale * (gradient[i] - dot);
        new Span<float>(gradient + seen, width - seen).Clear();
    }
}
