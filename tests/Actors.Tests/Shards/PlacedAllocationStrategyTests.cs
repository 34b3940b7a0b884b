using System.Collections.Immutable;
using Akka.Actor;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Shards;

public sealed class PlacedAllocationStrategyTests : IDisposable
{
    private const string Self = "akka.tcp://elastictrain@127.0.0.1:4001", Other = "akka.tcp://elastictrain@127.0.0.1:4002";

    private readonly ActorSystem _system = ActorSystem.Create("allocation");

    public void Dispose() => _system.Dispose();

    private (PlacedAllocationStrategy Strategy, IActorRef Local, IActorRef Remote, IImmutableDictionary<IActorRef, IImmutableList<string>> Regions) Given()
    {
        var local = _system.ActorOf(Props.Empty);
        // Only its path matters.
        var remote = new ElsewhereRef(ActorPath.Parse($"{Other}/system/sharding/shard"), ((ExtendedActorSystem)_system).Provider);
        var regions = ImmutableDictionary<IActorRef, IImmutableList<string>>.Empty.Add(local, ImmutableList<string>.Empty).Add(remote, ImmutableList.Create("a", "b", "c"));
        return (new PlacedAllocationStrategy(Address.Parse(Self)), local, remote, regions);
    }

    [Fact]
    public async Task A_replica_goes_where_its_name_says_however_many_are_there()
    {
        var (strategy, local, remote, regions) = Given();
        Assert.Equal(local, await strategy.AllocateShard(remote, $"3~1@{Self}#5", regions));
        Assert.Equal(remote, await strategy.AllocateShard(local, $"3~1@{Other}#5", regions));
    }

    [Fact]
    public async Task A_node_whose_region_is_not_there_yet_is_waited_for()
    {
        var (strategy, local, _, regions) = Given();
        var error = await Assert.ThrowsAsync<ElasticTrainException>(() => strategy.AllocateShard(local, "3~1@akka.tcp://elastictrain@127.0.0.1:4003#5", regions));
        Assert.Contains("4003", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_ever_rebalanced()
    {
        var (strategy, _, _, regions) = Given();
        Assert.Empty(await strategy.Rebalance(regions, ImmutableHashSet<string>.Empty));
    }

    private sealed class ElsewhereRef(ActorPath path, IActorRefProvider provider) : MinimalActorRef
    {
        public override ActorPath Path { get; } = path;

        public override IActorRefProvider Provider { get; } = provider;
    }
}
