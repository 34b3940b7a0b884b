namespace ElasticTrain.Collectives.Tests;

public sealed class BufferPoolTests
{
    [Fact]
    public void A_returned_buffer_serves_the_next_request_of_its_length()
    {
        using var pool = new BufferPool();
        var first = pool.Rent(10);
        pool.Return(first);
        Assert.Equal(40, pool.RetainedBytes);
        using var other = pool.Rent(11);
        Assert.NotSame(first, other);
        Assert.Same(first, pool.Rent(10));
        first.Dispose();
    }

    [Fact]
    public void What_exceeds_the_bound_is_freed()
    {
        using var pool = new BufferPool(retainedBytes: 60);
        var (first, second) = (pool.Rent(10), pool.Rent(10));
        pool.Return(first);
        pool.Return(second);
        Assert.Equal(40, pool.RetainedBytes);
        Assert.Throws<ObjectDisposedException>(() => second.Address);
    }

    [Fact]
    public void Returning_a_buffer_twice_is_an_error()
    {
        using var pool = new BufferPool();
        var buffer = pool.Rent(1);
        pool.Return(buffer);
        Assert.Throws<InvalidOperationException>(() => pool.Return(buffer));
    }
}
