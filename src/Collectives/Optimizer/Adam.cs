using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ElasticTrain.Collectives;

/// <summary>
/// AdamW over flat buffers, fused: one pass reads g, p, m, v and writes p, m, v, 28 bytes per parameter. Source: Loshchilov and Hutter,
/// "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2 (Adam: Kingma and Ba, ICLR 2015, algorithm 1), in the order
/// <code>
/// g = g * scale;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) (g g)
/// p = p (1 - lr wd) - lr (m / bc1) / (sqrt(v / bc2) + eps)
/// </code>
/// Every operation is rounded to fp32 on its own, elementwise, without fused multiply-add: the same bits with any vector width on any processor.
/// </summary>
public static class Adam
{
    /// <summary>Applies one update in place.</summary>
    /// <param name="p">Parameters.</param>
    /// <param name="m">First moments.</param>
    /// <param name="v">Second moments.</param>
    /// <param name="g">Gradients.</param>
    /// <param name="c">The coefficients.</param>
    /// <param name="decay">Whether weight decay applies; false for norms.</param>
    /// <returns>The <see cref="StateChecksum"/> of the new state, with indices from 0.</returns>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static ulong Step(Span<float> p, Span<float> m, Span<float> v, ReadOnlySpan<float> g, in AdamCoefficients c, bool decay) =>
        Step(p, m, v, g, c, decay, 0);

    /// <summary>As above for a piece of a shard: the checksums of the pieces add up (wrapping) to that of the shard, however it is cut.</summary>
    /// <param name="p">Parameters.</param>
    /// <param name="m">First moments.</param>
    /// <param name="v">Second moments.</param>
    /// <param name="g">Gradients.</param>
    /// <param name="c">The coefficients.</param>
    /// <param name="decay">Whether weight decay applies; false for norms.</param>
    /// <param name="firstIndex">Index of the piece's first element in the shard.</param>
    public static ulong Step(Span<float> p, Span<float> m, Span<float> v, ReadOnlySpan<float> g, in AdamCoefficients c, bool decay, long firstIndex)
    {
        if (m.Length != p.Length || v.Length != p.Length || g.Length != p.Length)
            throw new ArgumentException($"The lengths differ: p {p.Length}, m {m.Length}, v {v.Length}, g {g.Length}.");
        uint first = unchecked((uint)firstIndex);
        int done = 0;
        ulong sum = Vector512.IsHardwareAccelerated ? Run<Lanes512, Vector512<float>, Vector512<uint>, Vector512<ulong>>(p, m, v, g, c, decay, first, ref done)
            : Vector256.IsHardwareAccelerated ? Run<Lanes256, Vector256<float>, Vector256<uint>, Vector256<ulong>>(p, m, v, g, c, decay, first, ref done)
            : Run<Lanes128, Vector128<float>, Vector128<uint>, Vector128<ulong>>(p, m, v, g, c, decay, first, ref done);
        return unchecked(sum + Run<Lanes1, float, uint, ulong>(p, m, v, g, c, decay, first, ref done));
    }

    /// <summary>Updates as many elements from <paramref name="done"/> on as fill whole vectors of one width.</summary>
    internal static ulong Run<TLanes, TFloat, TKey, TSum>(
        Span<float> p, Span<float> m, Span<float> v, ReadOnlySpan<float> g, in AdamCoefficients c, bool decay, uint first, ref int done)
        where TLanes : struct, ILanes<TFloat, TKey, TSum>
        where TSum : struct
    {
        ref float pr = ref MemoryMarshal.GetReference(p), mr = ref MemoryMarshal.GetReference(m);
        ref float vr = ref MemoryMarshal.GetReference(v), gr = ref MemoryMarshal.GetReference(g);
        TFloat scale = TLanes.Broadcast(c.GradientScale), learningRate = TLanes.Broadcast(c.LearningRate), epsilon = TLanes.Broadcast(c.Epsilon);
        TFloat beta1 = TLanes.Broadcast(c.Beta1), rest1 = TLanes.Broadcast(1f - c.Beta1), correction1 = TLanes.Broadcast(c.BiasCorrection1);
        TFloat beta2 = TLanes.Broadcast(c.Beta2), rest2 = TLanes.Broadcast(1f - c.Beta2), correction2 = TLanes.Broadcast(c.BiasCorrection2);
        // Without decay the factor is 1, and a product with 1 is exact.
        TFloat kept = TLanes.Broadcast(decay ? 1f - c.LearningRate * c.WeightDecay : 1f);
        TSum sum = default;
        var keys = TLanes.Keys(unchecked(first + (uint)done));
        nuint i = (nuint)done, width = (nuint)TLanes.Count, length = (nuint)p.Length;
        for (; i + width <= length; i += width)
        {
            var gradient = TLanes.Multiply(TLanes.Load(ref gr, i), scale);
            var moment1 = TLanes.Add(TLanes.Multiply(beta1, TLanes.Load(ref mr, i)), TLanes.Multiply(rest1, gradient));
            var moment2 = TLanes.Add(TLanes.Multiply(beta2, TLanes.Load(ref vr, i)), TLanes.Multiply(rest2, TLanes.Multiply(gradient, gradient)));
            var root = TLanes.Add(TLanes.SquareRoot(TLanes.Divide(moment2, correction2)), epsilon);
            var update = TLanes.Divide(TLanes.Multiply(learningRate, TLanes.Divide(moment1, correction1)), root);
            var parameter = TLanes.Subtract(TLanes.Multiply(TLanes.Load(ref pr, i), kept), update);
            TLanes.Store(moment1, ref mr, i);
            TLanes.Store(moment2, ref vr, i);
            TLanes.Store(parameter, ref pr, i);
            sum = TLanes.Mix(sum, parameter, moment1, moment2, keys);
            keys = TLanes.Advance(keys);
        }
        done = (int)i;
        return TLanes.Total(sum);
    }
}
