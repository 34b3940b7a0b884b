using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Kernels;

/// <summary>Adam, the reducer's addition and the gradient statistics, each beside a memory copy that moves the same number of bytes.</summary>
internal static class MemoryKernels
{
    public static void Run(int parameters, int rounds, int threads)
    {
        using var team = new Team(threads);
        int piece = parameters / threads;
        var (p, m, v, g) = (Filled(parameters, 1), Filled(parameters, 2), Filled(parameters, 3), Filled(parameters, 4));
        for (int i = 0; i < parameters; i++) v.Span[i] = MathF.Abs(v.Span[i]);
        // A copy of n bytes moves 2n: n read, n written. So 14 bytes are copied for the 28 that Adam moves per parameter.
        var (source, target) = (Filled(parameters * 7L / 2, 5), new NativeBuffer(parameters * 7L / 2));
        var c = AdamCoefficients.ForUpdate(10, 1e-6f, 0.9f, 0.95f, 1e-8f, 0.1f, 1);
        string title = $"{parameters / 1_000_000} M parameters, {threads} thread(s), median of {rounds} interleaved rounds";

        new Contest($"Fused Adam, 28 bytes per parameter: {title}", rounds)
            .Add("copy of 14 bytes per parameter (28 moved)", 28.0 * parameters, () => team.Run(Copy(source, target, piece * 7 / 2)))
            .Add("the same copy with non-temporal stores", 28.0 * parameters, () => team.Run(t => StreamingCopy.Run(source.Slice((long)t * (piece * 7L / 2), piece * 7 / 2), target.Slice((long)t * (piece * 7L / 2), piece * 7 / 2))))
            .Add("Adam.Step with checksum", 28.0 * parameters, () => team.Run(t => Adam.Step(p.Slice((long)t * piece, piece), m.Slice((long)t * piece, piece), v.Slice((long)t * piece, piece), g.Slice((long)t * piece, piece), c, decay: true)))
            .Print();
        new Contest($"Reducer addition, 12 bytes per value: {title}", rounds)
            .Add("copy of 6 bytes per value (12 moved)", 12.0 * parameters, () => team.Run(Copy(source, target, piece * 3 / 2)))
            .Add("the same copy with non-temporal stores", 12.0 * parameters, () => team.Run(t => StreamingCopy.Run(source.Slice((long)t * (piece * 3L / 2), piece * 3 / 2), target.Slice((long)t * (piece * 3L / 2), piece * 3 / 2))))
            .Add("Summation.Add, left += right", 12.0 * parameters, () => team.Run(t => Summation.Add(m.Slice((long)t * piece, piece), g.Slice((long)t * piece, piece), m.Slice((long)t * piece, piece))))
            .Print();
        new Contest($"Gradient statistics, 4 bytes per value: {title}", rounds)
            .Add("copy of 2 bytes per value (4 moved)", 4.0 * parameters, () => team.Run(Copy(source, target, piece / 2)))
            .Add("GradientStatistics.Of (sum of squares, finite, XxHash128)", 4.0 * parameters, () => team.Run(t => GradientStatistics.Of(g.Slice((long)t * piece, piece))))
            .Add("StateChecksum.Of (12 bytes per parameter)", 12.0 * parameters, () => team.Run(t => StateChecksum.Of(p.Slice((long)t * piece, piece), m.Slice((long)t * piece, piece), v.Slice((long)t * piece, piece))))
            .Print();
        foreach (var buffer in new[] { p, m, v, g, source, target }) buffer.Dispose();
    }

    /// <summary>A whole step of a reducer: 8 ranks of one shard. Bytes: what the tree needs at least, one copy (8) for every second rank and 7 additions (12).</summary>
    public static void RunReducer(int length, int rounds)
    {
        const int ranks = 8;
        using var pool = new BufferPool();
        using var reducer = new TreeReducer(ranks, length, pool);
        NativeBuffer[] gradients = [.. Enumerable.Range(0, ranks).Select(rank => Filled(length, rank))];
        UInt128[] digests = [.. gradients.Select(gradient => Summation.Digest(gradient.Span))];
        double bytes = (4 * 8.0 + 7 * 12.0) * length;
        long copied = (long)(bytes / 8);
        var (source, target) = (Filled(copied, 9), new NativeBuffer(copied));
        new Contest($"TreeReducer, {ranks} ranks of a shard of {length / 1e6:0.#} M values, 1 thread, median of {rounds} interleaved rounds", rounds)
            .Add("copy of half the bytes (as many moved)", bytes, () => source.Slice(0, (int)copied).CopyTo(target.Span))
            .Add("Contribute with the frame's digest", bytes, () => Reduce(rank => reducer.Contribute(new RankRange(rank, rank + 1), gradients[rank].Span, digests[rank])))
            .Add("Contribute that computes the digest", bytes, () => Reduce(rank => reducer.Contribute(new RankRange(rank, rank + 1), gradients[rank].Span)))
            .Print();
        foreach (var buffer in gradients.Append(source).Append(target)) buffer.Dispose();

        void Reduce(Action<int> contribute)
        {
            for (int rank = 0; rank < ranks; rank++) contribute(rank);
            reducer.Reset();
        }
    }

    private static Action<int> Copy(NativeBuffer source, NativeBuffer target, int piece) =>
        member => source.Slice((long)member * piece, piece).CopyTo(target.Slice((long)member * piece, piece));

    private static NativeBuffer Filled(long length, int seed)
    {
        var buffer = new NativeBuffer(length);
        var random = new Random(seed);
        for (long at = 0; at < length; at += 4096)
        {
            foreach (ref float value in buffer.Slice(at, (int)Math.Min(4096, length - at))) value = random.NextSingle() - 0.5f;
        }
        return buffer;
    }
}
