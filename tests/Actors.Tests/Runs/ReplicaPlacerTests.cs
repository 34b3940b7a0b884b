using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;
using FsCheck.Xunit;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class ReplicaPlacerTests
{
    private static readonly IReadOnlyList<ShardInfo> Shards = ParameterLayout.Create(ModelConfig.Preset("quickstart")).Shards;

    private static NodeId[] Nodes(int count) => [.. Enumerable.Range(1, count).Select(Sample.Node)];

    [Property(MaxTest = 100)]
    public void The_order_in_which_nodes_came_does_not_matter(int seed)
    {
        var random = new Random(seed);
        var nodes = Nodes(random.Next(1, 9));
        var expected = ReplicaPlacer.Place(Shards, nodes, 10);
        Assert.Equal(expected, ReplicaPlacer.Place(Shards, [.. nodes.OrderBy(_ => random.Next())], 10));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Bytes_are_balanced_to_within_the_largest_shard(int count)
    {
        var placements = ReplicaPlacer.Place(Shards, Nodes(count), 0);
        var load = Nodes(count).Select(n => placements.Where(p => p.Node == n).Sum(p => (long)Shards[p.Shard.Value].Length)).ToList();
        Assert.True(load.Max() - load.Min() <= Shards.Max(s => s.Length), string.Join(", ", load));
    }

    [Fact]
    public void Every_shard_gets_one_replica_with_a_number_never_used_before()
    {
        var placements = ReplicaPlacer.Place(Shards, Nodes(3), 41);
        Assert.Equal(Shards.Select(s => s.Id), placements.Select(p => p.Shard));
        Assert.Equal(Enumerable.Range(42, Shards.Count), placements.Select(p => p.Replica.Value));
    }

    [Fact]
    public void Two_lives_of_one_process_are_two_nodes()
    {
        NodeId first = Sample.Node(1), second = first with { Uid = 99 };
        Assert.Equal(2, ReplicaPlacer.Place(Shards, [first, second], 0).Select(p => p.Node).Distinct().Count());
    }

    [Fact]
    public void Without_a_node_there_is_no_placement() => Assert.Throws<ArgumentException>(() => ReplicaPlacer.Place(Shards, [], 0));
}
