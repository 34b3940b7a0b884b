using ElasticTrain.Actors.Devices;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Devices;

public sealed class RankSummationTests : IDisposable
{
    private const int Ranks = 7, Large = (1 << 19) + 3, Small = 11;

    private readonly BufferPool _pool = new();

    public void Dispose() => _pool.Dispose();

    [Theory]
    [InlineData(Large)]
    [InlineData(Small)]
    public void Adding_beside_the_device_gives_the_bits_of_adding_one_after_another(int length)
    {
        using var accumulator = new BlockAccumulator(Ranks, length, _pool);
        using var summation = new RankSummation(new BlockAccumulator(Ranks, length, _pool), _pool);
        for (int rank = 0; rank < Ranks; rank++)
        {
            accumulator.Add(new RankId(rank), Gradient(rank, length));
            if (rank < Ranks - 1) summation.Add(new RankId(rank), Gradient(rank, length));
            else summation.AddLast(new RankId(rank), Gradient(rank, length));
        }
        var (expected, found) = (Assert.Single(accumulator.Take()), Assert.Single(summation.Take()));
        Assert.Equal(expected.Block, found.Block);
        Assert.Equal(Summation.Digest(expected.Sum.Span), Summation.Digest(found.Sum.Span));
        _pool.Return(expected.Sum);
        _pool.Return(found.Sum);
        Assert.Equal(0, _pool.Outstanding);
    }

    [Fact]
    public void A_block_that_is_given_up_leaves_no_buffer_behind()
    {
        using var summation = new RankSummation(new BlockAccumulator(Ranks, Large, _pool), _pool);
        for (int rank = 0; rank < 3; rank++) summation.Add(new RankId(rank), Gradient(rank, Large));
        summation.Clear();
        Assert.Equal(0, _pool.Outstanding);
        // The next block may begin anywhere.
        summation.AddLast(new RankId(5), Gradient(5, Large));
        _pool.Return(Assert.Single(summation.Take()).Sum);
    }

    [Fact]
    public void A_rank_out_of_order_is_found_when_the_block_is_taken_and_leaves_no_buffer_behind()
    {
        using var summation = new RankSummation(new BlockAccumulator(Ranks, Large, _pool), _pool);
        summation.Add(new RankId(0), Gradient(0, Large));
        summation.Add(new RankId(2), Gradient(2, Large));
        summation.Add(new RankId(3), Gradient(3, Large));
        Assert.Throws<ArgumentException>(() => summation.Take());
        summation.Clear();
        Assert.Equal(0, _pool.Outstanding);
    }

    private NativeBuffer Gradient(int rank, int length)
    {
        var buffer = _pool.Rent(length);
        var values = buffer.Span;
        for (int i = 0; i < length; i++) values[i] = (float)CounterRandom.Bits(7, ((ulong)rank << 32) | (uint)i) * 1e-19f;
        return buffer;
    }
}
