using ElasticTrain.Core;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests;

public sealed class SampleIndexTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Property(MaxTest = 40)]
    public bool Every_sample_of_an_epoch_stands_in_exactly_one_row(byte ranks, byte accumulation, byte rows, byte extra, ulong seed)
    {
        var geometry = new BatchGeometry(ranks % 6 + 1, accumulation % 3 + 1, rows % 4 + 1, 8);
        using var folder = new TemporaryFolder();
        using var tokens = folder.Shards("set", TemporaryFolder.Tokens(8 * (extra + 1) + 1 + extra % 8));
        var index = new SampleIndex(tokens, geometry, seed);
        long epochs = 3, steps = (epochs * index.SamplesPerEpoch + geometry.TrainBatchSize - 1) / geometry.TrainBatchSize;
        var seen = Rows(geometry, steps).Select(row => index.SampleNumber(row.Step, row.Rank, row.MicroBatch, row.Row)).ToArray();
        return Enumerable.Range(0, (int)epochs).All(epoch =>
            seen.Skip(epoch * (int)index.SamplesPerEpoch).Take((int)index.SamplesPerEpoch).Order().SequenceEqual(Longs(index.SamplesPerEpoch)));
    }

    [Fact]
    public void Rows_hold_the_tokens_and_the_mask_of_their_window()
    {
        int[] values = TemporaryFolder.Tokens(203);
        byte[] counts = [.. values.Select(token => (byte)(token & 1))];
        var geometry = new BatchGeometry(2, 2, 3, 10);
        using var tokens = _folder.Shards("set", values, counts, maxFileBytes: 30);
        var index = new SampleIndex(tokens, geometry, 5);
        Assert.Equal(20, index.SamplesPerEpoch);
        for (long s = 1; s <= 5; s++)
        {
            var step = new Step(s);
            long unmasked = 0;
            for (int rank = 0; rank < 2; rank++)
            {
                var batches = index.ReadRank(step, new RankId(rank));
                Assert.Equal(2, batches.Count);
                for (int micro = 0; micro < 2; micro++)
                {
                    for (int row = 0; row < 3; row++)
                    {
                        int start = (int)index.SampleNumber(step, new RankId(rank), micro, row) * 10;
                        Assert.Equal(values.AsSpan(start, 11), batches[micro].Tokens.AsSpan(row * 11, 11));
                        Assert.Equal(counts.AsSpan(start + 1, 10), batches[micro].LossMask.AsSpan(row * 10, 10));
                    }
                    unmasked += batches[micro].LossMask!.Sum(bit => bit);
                }
            }
            Assert.Equal(unmasked, index.UnmaskedTokens(step));
        }
    }

    [Property(MaxTest = 40)]
    public bool Every_window_of_several_data_stands_in_exactly_one_row_of_an_epoch_that_begins_with_a_later_step(byte first, byte small, byte large, byte ranks, ulong seed)
    {
        var geometry = new BatchGeometry(ranks % 6 + 1, 2, 3, 8);
        using var folder = new TemporaryFolder();
        using var one = folder.Shards("one", TemporaryFolder.Tokens(8 * (small % 20 + 1) + 1 + small % 8));
        using var two = folder.Shards("two", TemporaryFolder.Tokens(8 * (large + 1) + 1));
        var index = new SampleIndex([one, two], geometry, seed, new Step(first + 1));
        if (index.SamplesPerEpoch != small % 20 + 1 + large + 1) return false;
        long epochs = 3, steps = (epochs * index.SamplesPerEpoch + geometry.TrainBatchSize - 1) / geometry.TrainBatchSize;
        var seen = Rows(geometry, steps).Select(row => index.SampleNumber(new Step(row.Step.Value + first), row.Rank, row.MicroBatch, row.Row)).ToArray();
        return Enumerable.Range(0, (int)epochs).All(epoch =>
            seen.Skip(epoch * (int)index.SamplesPerEpoch).Take((int)index.SamplesPerEpoch).Order().SequenceEqual(Longs(index.SamplesPerEpoch)));
    }

    [Fact]
    public void Rows_over_several_data_hold_the_tokens_of_the_one_that_their_window_is_in_and_only_masks_that_are_there_count()
    {
        int[] first = TemporaryFolder.Tokens(58), second = [.. TemporaryFolder.Tokens(203).Select(token => token / 2)];
        byte[] counts = [.. second.Select(token => (byte)(token & 1))];
        var geometry = new BatchGeometry(2, 1, 3, 10);
        using var one = _folder.Shards("one", first);
        using var two = _folder.Shards("two", second, counts);
        var index = new SampleIndex([one, two], geometry, 5, new Step(7));
        for (long s = 7; s <= 12; s++)
        {
            var step = new Step(s);
            long unmasked = 0;
            for (int rank = 0; rank < 2; rank++)
            {
                var batch = index.Read(step, new RankId(rank), 0);
                for (int row = 0; row < 3; row++)
                {
                    int window = (int)index.SampleNumber(step, new RankId(rank), 0, row);
                    var (tokens, start) = window < 5 ? (first, window * 10) : (second, (window - 5) * 10);
                    Assert.Equal(tokens.AsSpan(start, 11), batch.Tokens.AsSpan(row * 11, 11));
                    byte[] mask = window < 5 ? [.. Enumerable.Repeat((byte)1, 10)] : counts[(start + 1)..(start + 11)];
                    Assert.Equal(mask, batch.LossMask![(row * 10)..((row + 1) * 10)]);
                }
                unmasked += batch.LossMask!.Sum(bit => bit);
            }
            Assert.Equal(unmasked, index.UnmaskedTokens(step));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => index.UnmaskedTokens(new Step(6)));
        Assert.Equal(0, index.Epoch(new Step(7)));
    }

    [Fact]
    public void Epochs_and_seeds_have_orders_of_their_own()
    {
        using var tokens = _folder.Shards("set", TemporaryFolder.Tokens(1001));
        var geometry = new BatchGeometry(1, 1, 100, 10);
        long[] Order(ulong seed, long step) =>
            [.. Enumerable.Range(0, 100).Select(row => new SampleIndex(tokens, geometry, seed).SampleNumber(new Step(step), new RankId(0), 0, row))];
        Assert.Equal(4, new[] { Order(1, 1), Order(1, 2), Order(2, 1), [.. Longs(100)] }.Select(order => string.Join(',', order)).Distinct().Count());
        Assert.Equal(Order(1, 2), Order(1, 2));
        Assert.Equal(1, new SampleIndex(tokens, geometry, 1).Epoch(new Step(2)));
    }

    [Fact]
    public void The_same_rows_come_whatever_the_split_into_ranks()
    {
        using var tokens = _folder.Shards("set", TemporaryFolder.Tokens(1001));
        var reference = Samples(new BatchGeometry(1, 1, 12, 10));
        foreach (var (ranks, accumulation, rows) in new[] { (12, 1, 1), (4, 3, 1), (2, 2, 3), (1, 12, 1) })
            Assert.Equal(reference, Samples(new BatchGeometry(ranks, accumulation, rows, 10)));

        long[] Samples(BatchGeometry geometry)
        {
            var index = new SampleIndex(tokens, geometry, 9);
            return [.. Rows(geometry, 20).Select(row => index.SampleNumber(row.Step, row.Rank, row.MicroBatch, row.Row))];
        }
    }

    [Fact]
    public void Without_a_mask_every_prediction_counts()
    {
        using var tokens = _folder.Shards("set", TemporaryFolder.Tokens(101));
        var index = new SampleIndex(tokens, new BatchGeometry(2, 3, 4, 10), 0);
        Assert.Equal(240, index.UnmaskedTokens(new Step(1)));
        Assert.Null(index.Read(new Step(1), new RankId(1), 2).LossMask);
    }

    [Fact]
    public void Too_little_data_for_one_row_is_said_so()
    {
        using var tokens = _folder.Shards("set", TemporaryFolder.Tokens(10));
        Assert.Equal(1, new SampleIndex(tokens, new BatchGeometry(1, 1, 1, 9), 0).SamplesPerEpoch);
        var error = Assert.Throws<BadInputException>(() => new SampleIndex(tokens, new BatchGeometry(1, 1, 1, 10), 0));
        Assert.Equal("10 tokens", error.Found);
        Assert.Throws<BadInputException>(() => new SampleIndex(tokens, new BatchGeometry(1, 0, 1, 5), 0));
    }

    [Fact]
    public void Steps_ranks_and_rows_that_do_not_exist_are_refused()
    {
        using var tokens = _folder.Shards("set", TemporaryFolder.Tokens(101));
        var index = new SampleIndex(tokens, new BatchGeometry(2, 2, 2, 10), 0);
        Assert.Throws<ArgumentOutOfRangeException>(() => index.SampleNumber(Step.Zero, new RankId(0), 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.SampleNumber(new Step(1), new RankId(2), 0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.SampleNumber(new Step(1), new RankId(0), 2, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.SampleNumber(new Step(1), new RankId(0), 0, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => index.UnmaskedTokens(Step.Zero));
    }

    private static IEnumerable<(Step Step, RankId Rank, int MicroBatch, int Row)> Rows(BatchGeometry geometry, long steps) =>
        from step in Longs(steps)
        from rank in Enumerable.Range(0, geometry.VirtualRanks)
        from micro in Enumerable.Range(0, geometry.GradientAccumulationSteps)
        from row in Enumerable.Range(0, geometry.MicroBatchSize)
        select (new Step(step + 1), new RankId(rank), micro, row);

    private static IEnumerable<long> Longs(long count) => Enumerable.Range(0, (int)count).Select(i => (long)i);
}
