using ElasticTrain.Actors.Devices;
using ElasticTrain.Collectives;

namespace ElasticTrain.Actors.Tests.Devices;

public class GradientBuffersTests
{
    [Theory]
    [InlineData(1 << 18)]
    [InlineData(11)]
    public void Every_buffer_is_zero_whatever_was_in_it_before(int length)
    {
        using var pool = new BufferPool();
        using (var buffers = new GradientBuffers(pool, length))
        {
            for (int i = 0; i < 5; i++)
            {
                var buffer = buffers.Take();
                buffers.Prepare();
                Assert.False(buffer.Span.ContainsAnyExcept(0f));
                buffer.Span.Fill(float.NaN);
                pool.Return(buffer);
            }
        }
        Assert.Equal(0, pool.Outstanding);
    }
}
