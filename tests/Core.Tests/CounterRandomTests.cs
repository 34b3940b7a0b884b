using ElasticTrain.Core;

namespace ElasticTrain.Core.Tests;

public sealed class CounterRandomTests
{
    // Known answers published with Random123 (philox4x32, 10 rounds).
    [Fact]
    public void Philox_matches_the_published_vectors()
    {
        Assert.Equal((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u), CounterRandom.Block(0, 0, 0));
        Assert.Equal(
            (0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu),
            CounterRandom.Block(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue));
    }

    [Fact]
    public void A_stream_is_named_by_its_seed_and_purpose()
    {
        Assert.NotEqual(CounterRandom.Key(1, "a"), CounterRandom.Key(1, "b"));
        Assert.NotEqual(CounterRandom.Key(1, "a"), CounterRandom.Key(2, "a"));
    }
}
