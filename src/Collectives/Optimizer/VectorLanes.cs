using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ElasticTrain.Collectives;

/// <summary>16 lanes of 512-bit vectors.</summary>
internal readonly struct Lanes512 : ILanes<Vector512<float>, Vector512<uint>, Vector512<ulong>>
{
    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(ref float source, nuint index) => Vector512.LoadUnsafe(ref source, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, ref float destination, nuint index) => value.StoreUnsafe(ref destination, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> left, Vector512<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> left, Vector512<float> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> left, Vector512<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> left, Vector512<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SquareRoot(Vector512<float> value) => Vector512.Sqrt(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Keys(uint first) => (Vector512<uint>.Indices + Vector512.Create(first)) * Vector512.Create(StateChecksum.Weyl);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Advance(Vector512<uint> keys) => keys + Vector512.Create(unchecked(16 * StateChecksum.Weyl));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Mix(Vector512<ulong> sum, Vector512<float> p, Vector512<float> m, Vector512<float> v, Vector512<uint> keys)
    {
        var (a, b, c, d) = (p.AsUInt32() + keys, m.AsUInt32() ^ ~keys, v.AsUInt32(), keys | Vector512<uint>.One);
        return sum + Products(a, b) + Products(OddToEven(a), OddToEven(b)) + Products(c, d) + Products(OddToEven(c), OddToEven(d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Total(Vector512<ulong> sum) => Vector512.Sum(sum);

    /// <summary>The 64-bit products of the even lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Products(Vector512<uint> left, Vector512<uint> right) => Avx512F.IsSupported
        ? Avx512F.Multiply(left, right)
        : (left.AsUInt64() & Vector512.Create((ulong)uint.MaxValue)) * (right.AsUInt64() & Vector512.Create((ulong)uint.MaxValue));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> OddToEven(Vector512<uint> value) => (value.AsUInt64() >>> 32).AsUInt32();
}

/// <summary>8 lanes of 256-bit vectors.</summary>
internal readonly struct Lanes256 : ILanes<Vector256<float>, Vector256<uint>, Vector256<ulong>>
{
    public static int Count => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(ref float source, nuint index) => Vector256.LoadUnsafe(ref source, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, ref float destination, nuint index) => value.StoreUnsafe(ref destination, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> left, Vector256<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> left, Vector256<float> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> left, Vector256<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> left, Vector256<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SquareRoot(Vector256<float> value) => Vector256.Sqrt(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Keys(uint first) => (Vector256<uint>.Indices + Vector256.Create(first)) * Vector256.Create(StateChecksum.Weyl);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Advance(Vector256<uint> keys) => keys + Vector256.Create(unchecked(8 * StateChecksum.Weyl));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Mix(Vector256<ulong> sum, Vector256<float> p, Vector256<float> m, Vector256<float> v, Vector256<uint> keys)
    {
        var (a, b, c, d) = (p.AsUInt32() + keys, m.AsUInt32() ^ ~keys, v.AsUInt32(), keys | Vector256<uint>.One);
        return sum + Products(a, b) + Products(OddToEven(a), OddToEven(b)) + Products(c, d) + Products(OddToEven(c), OddToEven(d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Total(Vector256<ulong> sum) => Vector256.Sum(sum);

    /// <summary>The 64-bit products of the even lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Products(Vector256<uint> left, Vector256<uint> right) => Avx2.IsSupported
        ? Avx2.Multiply(left, right)
        : (left.AsUInt64() & Vector256.Create((ulong)uint.MaxValue)) * (right.AsUInt64() & Vector256.Create((ulong)uint.MaxValue));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> OddToEven(Vector256<uint> value) => (value.AsUInt64() >>> 32).AsUInt32();
}

/// <summary>4 lanes of 128-bit vectors.</summary>
internal readonly struct Lanes128 : ILanes<Vector128<float>, Vector128<uint>, Vector128<ulong>>
{
    public static int Count => Vector128<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(ref float source, nuint index) => Vector128.LoadUnsafe(ref source, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, ref float destination, nuint index) => value.StoreUnsafe(ref destination, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> left, Vector128<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> left, Vector128<float> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> left, Vector128<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Divide(Vector128<float> left, Vector128<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SquareRoot(Vector128<float> value) => Vector128.Sqrt(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Keys(uint first) => (Vector128<uint>.Indices + Vector128.Create(first)) * Vector128.Create(StateChecksum.Weyl);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Advance(Vector128<uint> keys) => keys + Vector128.Create(unchecked(4 * StateChecksum.Weyl));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Mix(Vector128<ulong> sum, Vector128<float> p, Vector128<float> m, Vector128<float> v, Vector128<uint> keys)
    {
        var (a, b, c, d) = (p.AsUInt32() + keys, m.AsUInt32() ^ ~keys, v.AsUInt32(), keys | Vector128<uint>.One);
        return sum + Products(a, b) + Products(OddToEven(a), OddToEven(b)) + Products(c, d) + Products(OddToEven(c), OddToEven(d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Total(Vector128<ulong> sum) => Vector128.Sum(sum);

    /// <summary>The 64-bit products of the even lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Products(Vector128<uint> left, Vector128<uint> right) => Sse2.IsSupported
        ? Sse2.Multiply(left, right)
        : (left.AsUInt64() & Vector128.Create((ulong)uint.MaxValue)) * (right.AsUInt64() & Vector128.Create((ulong)uint.MaxValue));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> OddToEven(Vector128<uint> value) => (value.AsUInt64() >>> 32).AsUInt32();
}
