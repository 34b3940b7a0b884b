using ElasticTrain.Core;
using FsCheck.Xunit;

namespace ElasticTrain.Collectives.Tests.Reduction;

public sealed class TreeReducerTests : IDisposable
{
    private readonly BufferPool _pool = new();

    public void Dispose() => _pool.Dispose();

    [Property(MaxTest = 300)]
    public void Any_order_duplication_and_partition_of_blocks_gives_the_bits_of_the_definition(int seed)
    {
        var random = new Random(seed);
        int virtualRanks = random.Next(1, 41), length = random.Next(0, 40);
        var ranks = Gradients.Ranks(random, virtualRanks, length, special: true);
        using var reducer = new TreeReducer(virtualRanks, length, _pool);
        var blocks = RandomPartition(random, ReductionTree.Root(virtualRanks), virtualRanks).ToList();
        // Also blocks of any other size, and everything up to three times.
        for (int extra = random.Next(10); extra > 0; extra--) blocks.Add(RandomBlock(random, virtualRanks));
        blocks.AddRange(blocks.Where(_ => random.Next(2) == 0).ToList());
        int completed = 0;
        foreach (var block in blocks.OrderBy(_ => random.Next()).ToList())
        {
            float[] values = SequentialFold.Sum(ranks, block);
            var outcome = random.Next(2) == 0 && Summation.IsPositiveZero(values) ? reducer.ContributeMarker(block) : reducer.Contribute(block, values);
            if (outcome == ContributionOutcome.Completed) completed++;
        }
        Assert.Equal(1, completed);
        Assert.Empty(reducer.Missing());
        Assert.Equal(SequentialFold.Bits(SequentialFold.Sum(ranks)), SequentialFold.Bits(reducer.Sum!.Span));
        if (reducer.SumDigest is { } digest) Assert.Equal(Summation.Digest(reducer.Sum.Span), digest);
        Assert.Equal(1, _pool.Outstanding);
    }

    [Fact]
    public void The_digest_of_a_sum_that_came_in_one_piece_is_known()
    {
        using var reducer = new TreeReducer(2, 3, _pool);
        float[] values = [1, -0f, float.NaN];
        reducer.Contribute(new RankRange(0, 2), values);
        Assert.Equal(Summation.Digest(values), reducer.SumDigest);
        reducer.Reset();
        reducer.Contribute(new RankRange(0, 1), values);
        reducer.Contribute(new RankRange(1, 2), values);
        Assert.True(reducer.IsComplete);
        Assert.Null(reducer.SumDigest);
    }

    [Property(MaxTest = 100)]
    public void Any_split_of_the_ranks_over_workers_gives_the_same_bits(int seed)
    {
        var random = new Random(seed);
        int virtualRanks = random.Next(1, 41), length = random.Next(1, 40), workers = random.Next(1, 8);
        var ranks = Gradients.Ranks(random, virtualRanks, length, special: true);
        using var reducer = new TreeReducer(virtualRanks, length, _pool);
        int[] cuts = [0, .. Enumerable.Range(0, workers - 1).Select(_ => random.Next(virtualRanks + 1)).Order(), virtualRanks];
        foreach (int worker in Enumerable.Range(0, workers).OrderBy(_ => random.Next()))
        {
            using var accumulator = new BlockAccumulator(virtualRanks, length, _pool);
            for (int rank = cuts[worker]; rank < cuts[worker + 1]; rank++) accumulator.Add(new RankId(rank), Buffer(ranks[rank]));
            Assert.Equal(ReductionTree.Blocks(new RankRange(cuts[worker], cuts[worker + 1]), virtualRanks), accumulator.Blocks);
            foreach (var (block, sum) in accumulator.Take())
            {
                reducer.Contribute(block, sum.Span);
                _pool.Return(sum);
            }
        }
        Assert.Equal(SequentialFold.Bits(SequentialFold.Sum(ranks)), SequentialFold.Bits(reducer.Sum!.Span));
        Assert.Equal(1, _pool.Outstanding);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(7)]
    public async Task Twelve_ranks_from_many_threads_at_once_give_the_bits_of_the_definition(int workers)
    {
        const int length = 20_000;
        var random = new Random(workers);
        var ranks = Gradients.Ranks(random, 12, length, special: false);
        int[] expected = SequentialFold.Bits(SequentialFold.Sum(ranks));
        using var reducer = new TreeReducer(12, length, _pool);
        for (int round = 0; round < 100; round++)
        {
            int completed = 0;
            using var start = new Barrier(workers);
            await Task.WhenAll(Enumerable.Range(0, workers).Select(worker => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    // Every rank goes to two workers.
                    for (int rank = 0; rank < 12; rank++)
                    {
                        if (rank % workers != worker && (rank + 1) % workers != worker) continue;
                        if (reducer.Contribute(new RankRange(rank, rank + 1), ranks[rank]) == ContributionOutcome.Completed) Interlocked.Increment(ref completed);
                    }
                    // Some blocks overtake their parts while others add those.
                    if (worker != workers - 1) return;
                    var block = new RankRange(8, 12);
                    if (reducer.Contribute(block, SequentialFold.Sum(ranks, block)) == ContributionOutcome.Completed) Interlocked.Increment(ref completed);
                },
                TaskCreationOptions.LongRunning)));
            Assert.Equal(1, completed);
            Assert.Equal(expected, SequentialFold.Bits(reducer.Sum!.Span));
            reducer.Reset();
            Assert.Equal(0, _pool.Outstanding);
        }
    }

    [Fact]
    public void Moving_one_rank_changes_the_bits()
    {
        var ranks = Gradients.Ranks(new Random(1), 12, 500, special: false);
        int[] expected = SequentialFold.Bits(SequentialFold.Sum(ranks));
        (ranks[3], ranks[8]) = (ranks[8], ranks[3]);
        using var reducer = new TreeReducer(12, 500, _pool);
        for (int rank = 0; rank < 12; rank++) reducer.Contribute(new RankRange(rank, rank + 1), ranks[rank]);
        Assert.NotEqual(expected, SequentialFold.Bits(reducer.Sum!.Span));
    }

    [Fact]
    public void A_marker_is_really_added()
    {
        using var reducer = new TreeReducer(2, 2, _pool);
        reducer.Contribute(new RankRange(0, 1), [-0.0f, 1f]);
        Assert.Equal(ContributionOutcome.Completed, reducer.ContributeMarker(new RankRange(1, 2)));
        Assert.Equal(SequentialFold.Bits([0.0f, 1f]), SequentialFold.Bits(reducer.Sum!.Span));
    }

    [Fact]
    public void Only_markers_give_positive_zeros()
    {
        using var reducer = new TreeReducer(3, 3, _pool);
        var stale = _pool.Rent(3);
        stale.Span.Fill(7f);
        _pool.Return(stale);
        for (int rank = 0; rank < 3; rank++) reducer.ContributeMarker(new RankRange(rank, rank + 1));
        Assert.Equal(new int[3], SequentialFold.Bits(reducer.Sum!.Span));
    }

    [Fact]
    public void A_duplicate_with_other_bits_is_reported_and_dropped()
    {
        using var reducer = new TreeReducer(4, 1, _pool);
        var block = new RankRange(1, 2);
        reducer.Contribute(block, [1f]);
        Assert.Equal(ContributionOutcome.Duplicate, reducer.Contribute(block, [1f]));
        var error = Assert.Throws<ContributionMismatchException>(() => reducer.Contribute(block, [BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(1f) ^ 1)]));
        Assert.Equal(block, error.Block);
        Assert.NotEqual(error.First, error.Second);
        Assert.Throws<ContributionMismatchException>(() => reducer.ContributeMarker(block));
        reducer.Contribute(new RankRange(0, 1), [2f]);
        Assert.Throws<ContributionMismatchException>(() => reducer.Contribute(new RankRange(0, 2), [4f]));
        Assert.Equal(ContributionOutcome.Duplicate, reducer.Contribute(new RankRange(0, 2), [3f]));
        reducer.Contribute(new RankRange(2, 4), [10f]);
        Assert.Equal(13f, reducer.Sum!.Span[0]);
        Assert.Throws<ContributionMismatchException>(() => reducer.Contribute(block, [5f]));
    }

    [Fact]
    public void A_marker_and_explicit_zeros_are_the_same_contribution()
    {
        using var reducer = new TreeReducer(2, 1500, _pool);
        reducer.ContributeMarker(new RankRange(0, 1));
        Assert.Equal(ContributionOutcome.Duplicate, reducer.Contribute(new RankRange(0, 1), new float[1500]));
        Assert.Throws<ContributionMismatchException>(() => reducer.Contribute(new RankRange(0, 1), Enumerable.Repeat(-0.0f, 1500).ToArray()));
    }

    [Fact]
    public void Missing_names_the_ranks_nobody_sent()
    {
        using var reducer = new TreeReducer(12, 1, _pool);
        Assert.Equal([new RankRange(0, 12)], reducer.Missing());
        reducer.Contribute(new RankRange(2, 3), [1f]);
        reducer.ContributeMarker(new RankRange(8, 12));
        Assert.Equal([new RankRange(0, 2), new RankRange(3, 8)], reducer.Missing());
        Assert.Null(reducer.Sum);
        Assert.Throws<InvalidOperationException>(() => reducer.TakeSum());
    }

    [Fact]
    public void After_a_reset_the_next_step_starts_from_nothing()
    {
        using var reducer = new TreeReducer(2, 1, _pool);
        reducer.Contribute(new RankRange(0, 2), [5f]);
        var taken = reducer.TakeSum();
        Assert.Equal(5f, taken.Span[0]);
        Assert.False(reducer.IsComplete);
        Assert.Equal(ContributionOutcome.Completed, reducer.Contribute(new RankRange(0, 2), [6f]));
        Assert.Equal(5f, taken.Span[0]);
        reducer.Reset();
        Assert.Equal(ContributionOutcome.Accepted, reducer.Contribute(new RankRange(0, 1), [7f]));
        _pool.Return(taken);
    }

    [Fact]
    public void A_wrong_number_of_values_is_refused()
    {
        using var reducer = new TreeReducer(2, 3, _pool);
        Assert.Contains("3 values, found 2", Assert.Throws<ArgumentException>(() => reducer.Contribute(new RankRange(0, 1), [1f, 2f])).Message);
    }

    private NativeBuffer Buffer(float[] values)
    {
        var buffer = _pool.Rent(values.Length);
        values.CopyTo(buffer.Span);
        return buffer;
    }

    private static IEnumerable<RankRange> RandomPartition(Random random, RankRange block, int virtualRanks)
    {
        if (block.Count == 1 || random.Next(3) == 0) return [block];
        var (left, right) = ReductionTree.Children(block, virtualRanks);
        return RandomPartition(random, left, virtualRanks).Concat(RandomPartition(random, right, virtualRanks));
    }

    private static RankRange RandomBlock(Random random, int virtualRanks)
    {
        int lo = random.Next(virtualRanks);
        return ReductionTree.LargestBlock(new RankRange(lo, virtualRanks), random.Next(1, virtualRanks + 1), virtualRanks);
    }
}
