using System.Runtime.CompilerServices;

namespace ElasticTrain.Collectives;

/// <summary>
/// One vector width, so that an elementwise kernel is written once and run with 16, 8, 4 or 1 lanes. Every operation is the plain IEEE one on
/// each element (no fused multiply-add, no reciprocal estimates), so all widths give the same bits.
/// </summary>
/// <typeparam name="TFloat">Fp32 lanes.</typeparam>
/// <typeparam name="TKey">A 32-bit key for each lane, made from the element's index.</typeparam>
/// <typeparam name="TSum">64-bit accumulators of the checksum.</typeparam>
internal interface ILanes<TFloat, TKey, TSum>
{
    static abstract int Count { get; }

    static abstract TFloat Load(ref float source, nuint index);

    static abstract void Store(TFloat value, ref float destination, nuint index);

    static abstract TFloat Broadcast(float value);

    static abstract TFloat Add(TFloat left, TFloat right);

    static abstract TFloat Subtract(TFloat left, TFloat right);

    static abstract TFloat Multiply(TFloat left, TFloat right);

    static abstract TFloat Divide(TFloat left, TFloat right);

    static abstract TFloat SquareRoot(TFloat value);

    /// <summary>The keys of the elements from <paramref name="first"/> on.</summary>
    static abstract TKey Keys(uint first);

    /// <summary>The keys of the next <see cref="Count"/> elements.</summary>
    static abstract TKey Advance(TKey keys);

    /// <summary>Adds the terms of <see cref="StateChecksum"/>.</summary>
    static abstract TSum Mix(TSum sum, TFloat p, TFloat m, TFloat v, TKey keys);

    static abstract ulong Total(TSum sum);
}

/// <summary>One lane: tails, and the reference that the vector widths are tested against.</summary>
internal readonly struct Lanes1 : ILanes<float, uint, ulong>
{
    public static int Count => 1;

    public static float Load(ref float source, nuint index) => Unsafe.Add(ref source, index);

    public static void Store(float value, ref float destination, nuint index) => Unsafe.Add(ref destination, index) = value;

    public static float Broadcast(float value) => value;

    public static float Add(float left, float right) => left + right;

    public static float Subtract(float left, float right) => left - right;

    public static float Multiply(float left, float right) => left * right;

    public static float Divide(float left, float right) => left / right;

    public static float SquareRoot(float value) => MathF.Sqrt(value);

    public static uint Keys(uint first) => unchecked(first * StateChecksum.Weyl);

    public static uint Advance(uint keys) => unchecked(keys + StateChecksum.Weyl);

    public static ulong Mix(ulong sum, float p, float m, float v, uint keys) => unchecked(
        sum
        + (ulong)(BitConverter.SingleToUInt32Bits(p) + keys) * (BitConverter.SingleToUInt32Bits(m) ^ ~keys)
        + (ulong)BitConverter.SingleToUInt32Bits(v) * (keys | 1));

    public static ulong Total(ulong sum) => sum;
}
