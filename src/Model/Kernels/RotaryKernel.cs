using System.Runtime.Intrinsics;

namespace ElasticTrain.Model.Kernels;

/// <summary>Rotates neighbouring pairs (x[2j], x[2j + 1]) by an angle that depends on the position (Su et al., arXiv:2104.09864).</summary>
internal static unsafe class RotaryKernel
{
    /// <summary>Rotates one row of <paramref name="width"/> values: cosine holds each angle's cosine twice, sine holds -sin, sin.</summary>
    internal static void Rotate(float* x, float* y, float* cosine, float* sine, int width)
    {
        int i = 0;
        for (; i <= width - 8; i += 8)
        {
            Vector256<float> v = Vector256.Load(x + i);
            Vector256<float> swapped = Vector256.Shuffle(v, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6));
            Vector256.FusedMultiplyAdd(swapped, Vector256.Load(sine + i), v * Vector256.Load(cosine + i)).Store(y + i);
        }
        for (; i < width; i += 2)
        {
            float a = x[i], b = x[i + 1];
            y[i] = MathF.FusedMultiplyAdd(b, sine[i], a * cosine[i]);
            y[i + 1] = MathF.FusedMultiplyAdd(a, sine[i + 1], b * cosine[i + 1]);
        }
    }

    /// <summary>The transposed rotation: the inverse up to the square of a factor in the table, and its gradient.</summary>
    internal static void RotateBack(float* x, float* y, float* cosine, float* sine, int width)
    {
        int i = 0;
        for (; i <= width - 8; i += 8)
        {
            Vector256<float> v = Vector256.Load(x + i);
            Vector256<float> swapped = Vector256.Shuffle(v, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6));
            Vector256.FusedMultiplyAdd(swapped, -Vector256.Load(sine + i), v * Vector256.Load(cosine + i)).Store(y + i);
        }
        for (; i < width; i += 2)
        {
            float a = x[i], b = x[i + 1];
            y[i] = MathF.FusedMultiplyAdd(b, -sine[i], a * cosine[i]);
            y[i + 1] = MathF.FusedMultiplyAdd(a, -sine[i + 1], b * cosine[i + 1]);
        }
    }
}
