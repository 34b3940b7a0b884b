using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ElasticTrain.Core;

/// <summary>The numbers of the bf16 format as their 16 bits: the upper half of an fp32 number.</summary>
public static class Bfloat16
{
    /// <summary>The nearest bf16 number, of two equally near ones the even one; beyond the largest, infinity. What is no number stays none.</summary>
    /// <param name="value">An fp32 number.</param>
    public static ushort Round(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        // A payload that fits into the lower half alone would leave an infinity; the quiet bit keeps it from becoming one.
        if (float.IsNaN(value)) return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>Rounds each value.</summary>
    /// <param name="source">The values.</param>
    /// <param name="destination">At least as long.</param>
    public static void Round(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        for (int i = 0; i < source.Length; i++) destination[i] = Round(source[i]);
    }

    /// <summary>The number as fp32, which holds it exactly.</summary>
    /// <param name="bits">A bf16 number.</param>
    public static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Widens each value.</summary>
    /// <param name="source">The values.</param>
    /// <param name="destination">At least as long.</param>
    public static void Widen(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        int i = 0;
        for (; i <= source.Length - 16; i += 16)
            Widen(Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(source), (nuint)i)).StoreUnsafe(ref MemoryMarshal.GetReference(destination[i..]));
        for (; i < source.Length; i++) destination[i] = Widen(source[i]);
    }

    /// <summary>Sixteen numbers as fp32.</summary>
    /// <param name="bits">bf16 numbers.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector256<ushort> bits)
    {
        if (Avx512F.IsSupported) return (Avx512F.ConvertToVector512UInt32(bits) << 16).AsSingle();
        var (lower, upper) = Vector256.Widen(bits);
        return (Vector512.Create(lower, upper) << 16).AsSingle();
    }
}
