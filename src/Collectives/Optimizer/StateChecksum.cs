using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ElasticTrain.Collectives;

/// <summary>
/// A 64-bit checksum of the optimizer state that any number of lanes, threads and pieces computes alike: the wrapping sum over elements i of
/// (p_i + k_i)(m_i xor not k_i) + v_i (k_i or 1), on the bits of p, m and v, with k_i = i * <see cref="Weyl"/> mod 2^32. It finds damaged
/// or swapped values and diverged replicas; it is no protection against intent. Adam computes it in its own pass over the memory.
/// </summary>
public static class StateChecksum
{
    /// <summary>2^32 divided by the golden ratio, made odd: the keys of neighbouring elements differ in many bits.</summary>
    internal const uint Weyl = 0x9E3779B1;

    /// <summary>The checksum of a state at rest, equal to what <see cref="Adam"/> returned for it.</summary>
    /// <param name="p">Parameters.</param>
    /// <param name="m">First moments.</param>
    /// <param name="v">Second moments.</param>
    /// <param name="firstIndex">Index of the first element; checksums of the pieces of a state add up (wrapping) to that of the whole.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static ulong Of(ReadOnlySpan<float> p, ReadOnlySpan<float> m, ReadOnlySpan<float> v, long firstIndex = 0)
    {
        if (m.Length != p.Length || v.Length != p.Length) throw new ArgumentException($"The lengths differ: p {p.Length}, m {m.Length}, v {v.Length}.");
        uint first = unchecked((uint)firstIndex);
        int done = 0;
        ulong sum = Vector512.IsHardwareAccelerated ? Run<Lanes512, Vector512<float>, Vector512<uint>, Vector512<ulong>>(p, m, v, first, ref done)
            : Vector256.IsHardwareAccelerated ? Run<Lanes256, Vector256<float>, Vector256<uint>, Vector256<ulong>>(p, m, v, first, ref done)
            : Run<Lanes128, Vector128<float>, Vector128<uint>, Vector128<ulong>>(p, m, v, first, ref done);
        return unchecked(sum + Run<Lanes1, float, uint, ulong>(p, m, v, first, ref done));
    }

    private static ulong Run<TLanes, TFloat, TKey, TSum>(ReadOnlySpan<float> p, ReadOnlySpan<float> m, ReadOnlySpan<float> v, uint first, ref int done)
        where TLanes : struct, ILanes<TFloat, TKey, TSum>
        where TSum : struct
    {
        ref float pr = ref MemoryMarshal.GetReference(p), mr = ref MemoryMarshal.GetReference(m), vr = ref MemoryMarshal.GetReference(v);
        TSum sum = default;
        var keys = TLanes.Keys(unchecked(first + (uint)done));
        nuint i = (nuint)done, width = (nuint)TLanes.Count, length = (nuint)p.Length;
        for (; i + width <= length; i += width)
        {
            sum = TLanes.Mix(sum, TLanes.Load(ref pr, i), TLanes.Load(ref mr, i), TLanes.Load(ref vr, i), keys);
            keys = TLanes.Advance(keys);
        }
        done = (int)i;
        return TLanes.Total(sum);
    }
}
