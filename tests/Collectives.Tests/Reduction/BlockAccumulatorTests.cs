using ElasticTrain.Core;

namespace ElasticTrain.Collectives.Tests.Reduction;

public sealed class BlockAccumulatorTests : IDisposable
{
    private readonly BufferPool _pool = new();

    public void Dispose() => _pool.Dispose();

    [Fact]
    public void Four_aligned_ranks_become_one_block()
    {
        using var accumulator = new BlockAccumulator(12, 1, _pool);
        for (int rank = 4; rank < 8; rank++)
        {
            accumulator.Add(new RankId(rank), _pool.Rent(1));
            Assert.Equal(rank is 4 or 5 or 7, accumulator.IsOneBlock);
        }
        Assert.Equal([new RankRange(4, 8)], accumulator.Blocks);
    }

    [Fact]
    public void A_rank_that_does_not_follow_is_refused()
    {
        using var accumulator = new BlockAccumulator(12, 1, _pool);
        using var gradient = new NativeBuffer(1);
        Assert.Throws<ArgumentException>(() => accumulator.Add(new RankId(12), gradient));
        accumulator.Add(new RankId(3), _pool.Rent(1));
        Assert.Contains("[3, 4)", Assert.Throws<ArgumentException>(() => accumulator.Add(new RankId(5), gradient)).Message);
    }
}
