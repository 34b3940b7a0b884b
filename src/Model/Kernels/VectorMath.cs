using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Building blocks of the element-wise kernels: always eight lanes and fused multiply-add, in a fixed order, so that the width of the
/// processor's registers cannot change a bit.
/// </summary>
internal static unsafe class VectorMath
{
    /// <summary>Values per vector.</summary>
    internal const int Lanes = 8;

    /// <summary>e^x with a relative error of about 2^-23 for x within [-87.3, 88.7], saturated outside; keeps NaN. Polynomial: Cephes, expf.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Exp(Vector256<float> x)
    {
        // The native minimum returns its second operand when one is NaN, and so keeps it.
        Vector256<float> bounded = Vector256.MinNative(Vector256.Create(88.72284f), Vector256.MaxNative(Vector256.Create(-87.33654f), x));
        Vector256<float> n = Vector256.Round(bounded * 1.44269504f);
        Vector256<float> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693359375f), bounded);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(2.12194440e-4f), r);
        Vector256<float> p = Vector256.FusedMultiplyAdd(r, Vector256.Create(1.9875691500e-4f), Vector256.Create(1.3981999507e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(8.3334519073e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(4.1665795894e-2f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.6666665459e-1f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(5.0000001201e-1f));
        p = Vector256.FusedMultiplyAdd(p, r * r, r) + Vector256<float>.One;
        // 2^n in two factors, because n may be 128.
        Vector256<int> half = Vector256.ConvertToInt32Native(n) >> 1, rest = Vector256.ConvertToInt32Native(n) - half;
        Vector256<int> bias = Vector256.Create(127);
        return p * ((half + bias) << 23).AsSingle() * ((rest + bias) << 23).AsSingle();
    }

    /// <summary>1 / (1 + e^-x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Sigmoid(Vector256<float> x) => Vector256<float>.One / (Vector256<float>.One + Exp(-x));

    /// <summary>Sum of the lanes in a fixed order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Sum(Vector256<float> v)
    {
        Vector128<float> four = v.GetLower() + v.GetUpper();
        return (four[0] + four[2]) + (four[1] + four[3]);
    }

    /// <summary>The first <paramref name="count"/> values, then zeros.</summary>
    internal static Vector256<float> LoadPart(float* source, int count)
    {
        Vector256<float> v = Vector256<float>.Zero;
        for (int i = 0; i < count; i++) ((float*)&v)[i] = source[i];
        return v;
    }

    /// <summary>Writes the first <paramref name="count"/> lanes.</summary>
    internal static void StorePart(Vector256<float> v, float* destination, int count)
    {
        for (int i = 0; i < count; i++) destination[i] = ((float*)&v)[i];
    }
}
