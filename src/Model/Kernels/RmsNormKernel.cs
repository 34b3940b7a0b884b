using System.Runtime.Intrinsics;

namespace ElasticTrain.Model.Kernels;

/// <summary>Root mean square normalisation of rows: y = w x / sqrt(mean(x^2) + eps).</summary>
internal static unsafe class RmsNormKernel
{
    /// <summary>y [rows, width] from x; keeps the factor 1 / sqrt(...) of each row.</summary>
    internal static void Forward(float* x, long xStride, float* weight, float* y, float* factors, int rows, int width, float epsilon)
    {
        for (int row = 0; row < rows; row++, x += xStride, y += width)
        {
            Vector256<float> squares0 = default, squares1 = default;
            int i = 0;
            for (; i <= width - 16; i += 16)
            {
                Vector256<float> a = Vector256.Load(x + i), b = Vector256.Load(x + i + 8);
                squares0 = Vector256.FusedMultiplyAdd(a, a, squares0);
                squares1 = Vector256.FusedMultiplyAdd(b, b, squares1);
            }
            for (; i < width; i += 8)
            {
                Vector256<float> a = Load(x + i, width - i);
                squares0 = Vector256.FusedMultiplyAdd(a, a, squares0);
            }
            float factor = 1 / MathF.Sqrt((VectorMath.Sum(squares0 + squares1) / width) + epsilon);
            factors[row] = factor;
            Scale(x, weight, y, factor, width);
        }
    }

    /// <summary>y as <see cref="Forward"/> wrote it, from the factors that it kept.</summary>
    internal static void Again(float* x, long xStride, float* weight, float* y, float* factors, int rows, int width)
    {
        for (int row = 0; row < rows; row++, x += xStride, y += width) Scale(x, weight, y, factors[row], width);
    }

    /// <summary>
    /// Adds to dx [rows, width] (or writes it) and adds to dWeight, row after row:
    /// dx = f (w dy) - x f^3 / width sum(x w dy), dw += f x dy.
    /// </summary>
    internal static void Backward(float* x, long xStride, float* weight, float* factors, float* dy, float* dx, long dxStride, float* dWeight, int rows, int width, bool addToInput)
    {
        for (int row = 0; row < rows; row++, x += xStride, dx += dxStride, dy += width)
        {
            float factor = factors[row];
            Vector256<float> dot0 = default, dot1 = default;
            int i = 0;
            for (; i <= width - 16; i += 16)
            {
                Vector256<float> a = Vector256.Load(x + i) * Vector256.Load(dy + i), b = Vector256.Load(x + i + 8) * Vector256.Load(dy + i + 8);
                dot0 = Vector256.FusedMultiplyAdd(a, Vector256.Load(weight + i), dot0);
                dot1 = Vector256.FusedMultiplyAdd(b, Vector256.Load(weight + i + 8), dot1);
                Vector256.FusedMultiplyAdd(a, Vector256.Create(factor), Vector256.Load(dWeight + i)).Store(dWeight + i);
                Vector256.FusedMultiplyAdd(b, Vector256.Create(factor), Vector256.Load(dWeight + i + 8)).Store(dWeight + i + 8);
            }
            for (; i < width; i += 8)
            {
                int count = Math.Min(8, width - i);
                Vector256<float> a = Load(x + i, count) * Load(dy + i, count);
                dot0 = Vector256.FusedMultiplyAdd(a, Load(weight + i, count), dot0);
                VectorMath.StorePart(Vector256.FusedMultiplyAdd(a, Vector256.Create(factor), Load(dWeight + i, count)), dWeight + i, count);
            }
            float shared = -(VectorMath.Sum(dot0 + dot1) * factor * factor * factor / width);
            for (i = 0; i <= width - 8; i += 8)
            {
                Vector256<float> own = Vector256.Load(dy + i) * Vector256.Load(weight + i) * factor;
                Vector256<float> total = Vector256.FusedMultiplyAdd(Vector256.Load(x + i), Vector256.Create(shared), own);
                (addToInput ? Vector256.Load(dx + i) + total : total).Store(dx + i);
            }
            for (; i < width; i++)
            {
                float total = MathF.FusedMultiplyAdd(x[i], shared, dy[i] * weight[i] * factor);
                dx[i] = addToInput ? dx[i] + total : total;
            }
        }
    }

    private static void Scale(float* x, float* weight, float* y, float factor, int width)
    {
        int i = 0;
        for (; i <= width - 8; i += 8) (Vector256.Load(x + i) * factor * Vector256.Load(weight + i)).Store(y + i);
        for (; i < width; i++) y[i] = x[i] * factor * weight[i];
    }

    private static Vector256<float> Load(float* source, int count) => count >= 8 ? Vector256.Load(source) : VectorMath.LoadPart(source, count);
}
