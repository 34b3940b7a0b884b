using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ElasticTrain.Kernels;

/// <summary>
/// A copy whose stores bypass the cache. An ordinary copy also reads the lines it is about to overwrite, which an update in place never has to; this one
/// does not, and so is the hardest fair opponent.
/// </summary>
internal static class StreamingCopy
{
    public static unsafe void Run(ReadOnlySpan<float> source, Span<float> target)
    {
        fixed (float* from = &MemoryMarshal.GetReference(source), to = &MemoryMarshal.GetReference(target))
        {
            int i = 0;
            for (; i < source.Length && (nuint)(to + i) % 64 != 0; i++) to[i] = from[i];
            for (; i + 16 <= source.Length; i += 16) Vector512.StoreAlignedNonTemporal(Vector512.Load(from + i), to + i);
            for (; i < source.Length; i++) to[i] = from[i];
        }
    }
}
