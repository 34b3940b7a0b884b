using System.IO.Hashing;
using System.Numerics;
using System.Runtime.InteropServices;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>
/// The additions of the reduction tree, element by element. A sum that is not a number becomes the one NaN 0x7FC00000: which payload
/// survives NaN + NaN depends on the operand order that a compiler picks, and the bits of a sum must not.
/// </summary>
public static class Summation
{
    /// <summary>destination = left + right. The destination may be one of the operands.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Add(ReadOnlySpan<float> left, ReadOnlySpan<float> right, Span<float> destination)
    {
        if (left.Length != right.Length || left.Length != destination.Length)
            throw new ArgumentException($"The lengths differ: {left.Length} + {right.Length} into {destination.Length}.");
        ref float l = ref MemoryMarshal.GetReference(left), r = ref MemoryMarshal.GetReference(right), d = ref MemoryMarshal.GetReference(destination);
        nuint i = 0, length = (nuint)left.Length, width = (nuint)Vector<float>.Count;
        for (; i + 2 * width <= length; i += 2 * width)
        {
            Canonical(Vector.LoadUnsafe(ref l, i) + Vector.LoadUnsafe(ref r, i)).StoreUnsafe(ref d, i);
            Canonical(Vector.LoadUnsafe(ref l, i + width) + Vector.LoadUnsafe(ref r, i + width)).StoreUnsafe(ref d, i + width);
        }
        for (; i < length; i++)
        {
            float sum = System.Runtime.CompilerServices.Unsafe.Add(ref l, i) + System.Runtime.CompilerServices.Unsafe.Add(ref r, i);
            System.Runtime.CompilerServices.Unsafe.Add(ref d, i) = Canonical(sum);
        }
    }

    /// <summary>destination = source + 0.0f, really added: -0.0 becomes +0.0.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void AddZero(ReadOnlySpan<float> source, Span<float> destination)
    {
        if (source.Length != destination.Length) throw new ArgumentException($"The lengths differ: {source.Length} into {destination.Length}.");
        int i = 0, width = Vector<float>.Count;
        for (; i + width <= source.Length; i += width) Canonical(new Vector<float>(source[i..]) + Vector<float>.Zero).CopyTo(destination[i..]);
        for (; i < source.Length; i++) destination[i] = Canonical(source[i] + 0f);
    }

    /// <summary>left += right over whole buffers of any length.</summary>
    /// <param name="left">Receives the sum.</param>
    /// <param name="right">Is added.</param>
    /// <param name="useIdleCores">Whether several threads share the work; the bits are the same.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void AddTo(NativeBuffer left, NativeBuffer right, bool useIdleCores = false)
    {
        if (left.Length != right.Length) throw new ArgumentException($"The lengths differ: {left.Length} + {right.Length}.");
        const int piece = 1 << 17;
        long pieces = (left.Length + piece - 1) / piece;
        if (useIdleCores && pieces > 1) Parallel.For(0, pieces, Add);
        else
        {
            for (long i = 0; i < pieces; i++) Add(i);
        }

        void Add(long i)
        {
            int length = (int)Math.Min(piece, left.Length - (i * piece));
            var target = left.Slice(i * piece, length);
            Summation.Add(target, right.Slice(i * piece, length), target);
        }
    }

    /// <summary>Whether every value is +0.0, so that a marker stands for them.</summary>
    public static bool IsPositiveZero(ReadOnlySpan<float> values) => !MemoryMarshal.Cast<float, int>(values).ContainsAnyExcept(0);

    /// <summary>XxHash128 of the values' bytes (little-endian fp32).</summary>
    public static UInt128 Digest(ReadOnlySpan<float> values) => XxHash128.HashToUInt128(MemoryMarshal.AsBytes(values));

    /// <summary><see cref="Digest"/> of so many +0.0.</summary>
    public static UInt128 DigestOfZeros(int length)
    {
        var hash = new XxHash128();
        ReadOnlySpan<byte> zeros = stackalloc byte[4096];
        for (long rest = (long)length * sizeof(float); rest > 0; rest -= zeros.Length) hash.Append(zeros[..(int)Math.Min(rest, zeros.Length)]);
        return hash.GetCurrentHashAsUInt128();
    }

    private static Vector<float> Canonical(Vector<float> sum) =>
        Vector.ConditionalSelect(Vector.Equals(sum, sum), sum, new Vector<float>(BitConverter.UInt32BitsToSingle(CanonicalNaN)));

    private static float Canonical(float sum) => float.IsNaN(sum) ? BitConverter.UInt32BitsToSingle(CanonicalNaN) : sum;

    private const uint CanonicalNaN = 0x7FC00000;
}
