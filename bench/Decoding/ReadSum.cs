using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ElasticTrain.Core;

namespace ElasticTrain.Decoding;

/// <summary>The bound: threads that add up a buffer, each a contiguous part of it; the faster of two ways, with and without fetching ahead.</summary>
internal static unsafe class ReadSum
{
    /// <summary>Bytes per second of a few passes over a buffer.</summary>
    internal static double BytesPerSecond(NativeBuffer buffer, int threads, int passes) =>
        Math.Max(BytesPerSecond(buffer, threads, passes, fetch: false), BytesPerSecond(buffer, threads, passes, fetch: true));

    private static double BytesPerSecond(NativeBuffer buffer, int threads, int passes, bool fetch)
    {
        float[] sums = new float[threads];
        using var barrier = new Barrier(threads + 1);
        Thread[] team = [.. Enumerable.Range(0, threads).Select(member => new Thread(() =>
        {
            long first = buffer.Length / threads * member, end = member == threads - 1 ? buffer.Length : buffer.Length / threads * (member + 1);
            barrier.SignalAndWait();
            for (int pass = 0; pass < passes; pass++) sums[member] += fetch ? FetchedSum((float*)buffer.Address + first, end - first) : Sum((float*)buffer.Address + first, end - first);
            barrier.SignalAndWait();
        }))];
        foreach (Thread thread in team) thread.Start();
        barrier.SignalAndWait();
        long start = Stopwatch.GetTimestamp();
        barrier.SignalAndWait();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach (Thread thread in team) thread.Join();
        if (sums.Any(float.IsNaN)) throw new InvalidOperationException("The buffer holds no numbers.");
        return sizeof(float) * (double)buffer.Length * passes / seconds;
    }

    private static float Sum(float* values, long count)
    {
        const int lanes = 16;
        Vector512<float> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (float* end = values + (count / (8 * lanes) * 8 * lanes); values < end; values += 8 * lanes)
        {
            a += Vector512.Load(values);
            b += Vector512.Load(values + lanes);
            c += Vector512.Load(values + (2 * lanes));
            d += Vector512.Load(values + (3 * lanes));
            e += Vector512.Load(values + (4 * lanes));
            f += Vector512.Load(values + (5 * lanes));
            g += Vector512.Load(values + (6 * lanes));
            h += Vector512.Load(values + (7 * lanes));
        }
        return Vector512.Sum(a + b + c + d + (e + f + g + h));
    }

    private static float FetchedSum(float* values, long count)
    {
        const int lanes = 16;
        Vector512<float> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (float* end = values + (count / (8 * lanes) * 8 * lanes); values < end; values += 8 * lanes)
        {
            if (Sse.IsSupported)
            {
                for (int i = 0; i < 512; i += 64) Sse.Prefetch1((byte*)values + 4096 + i);
            }
            a += Vector512.Load(values);
            b += Vector512.Load(values + lanes);
            c += Vector512.Load(values + (2 * lanes));
            d += Vector512.Load(values + (3 * lanes));
            e += Vector512.Load(values + (4 * lanes));
            f += Vector512.Load(values + (5 * lanes));
            g += Vector512.Load(values + (6 * lanes));
            h += Vector512.Load(values + (7 * lanes));
        }
        return Vector512.Sum(a + b + c + d + (e + f + g + h));
    }
}
