using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;
using FsCheck.Xunit;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class ReplicaPlacerTests
{
    private static readonly IReadOnlyList<ShardInfo> Shards = ParameterLayout.Create(ModelConfig.Preset("quickstart")).Shards;

    private static NodeId[] Nodes(int count) => [.. Enumerable.Range(1, count).Select(Sample.Node)];

    private static long Load(NodeId node, IEnumerable<ReplicaPlacement> placements) => placements.Where(p => p.Node == node).Sum(p => (long)Shards[p.Shard.Value].Length);

    private static long Spread(IEnumerable<NodeId> nodes, IReadOnlyCollection<ReplicaPlacement> placements)
    {
        var loads = nodes.Select(n => Load(n, placements)).ToList();
        return loads.Max() - loads.Min();
    }

    private static IEnumerable<ReplicaPlacement> Numbered(IEnumerable<Recruit> recruits, int after) =>
        recruits.Select((r, i) => new ReplicaPlacement(r.Shard, new ReplicaId(after + 1 + i), r.Node));

    [Property(MaxTest = 100)]
    public void The_order_in_which_nodes_came_does_not_matter(int seed)
    {
        var random = new Random(seed);
        var nodes = Nodes(random.Next(1, 9));
        int replicas = random.Next(1, 4);
        var expected = ReplicaPlacer.Place(Shards, nodes, replicas, 10);
        Assert.Equal(expected, ReplicaPlacer.Place(Shards, [.. nodes.OrderBy(_ => random.Next())], replicas, 10));
    }

    [Property(MaxTest = 200)]
    public void Siblings_are_apart_every_shard_has_its_copies_and_bytes_are_balanced(int seed)
    {
        var random = new Random(seed);
        int count = random.Next(1, 9), replicas = random.Next(1, 5), wanted = Math.Min(replicas, count);
        var placements = ReplicaPlacer.Place(Shards, Nodes(count), replicas, 41);
        Assert.Equal(Shards.SelectMany(s => Enumerable.Repeat(s.Id, wanted)), placements.Select(p => p.Shard));
        Assert.All(placements.GroupBy(p => p.Shard), shard => Assert.Equal(wanted, shard.Select(p => p.Node).Distinct().Count()));
        Assert.Equal(Enumerable.Range(42, placements.Count), placements.Select(p => p.Replica.Value));
        Assert.True(Spread(Nodes(count), placements) <= Shards.Max(s => s.Length));
    }

    [Property(MaxTest = 200)]
    public void After_a_loss_only_what_is_missing_is_made_and_nothing_moves(int seed)
    {
        var random = new Random(seed);
        int count = random.Next(2, 8), replicas = random.Next(2, 4);
        var nodes = Nodes(count);
        var before = ReplicaPlacer.Place(Shards, nodes, replicas, 0);
        var lost = nodes[random.Next(count)];
        var left = before.Where(p => p.Node != lost).ToList();
        var living = nodes.Where(n => n != lost).ToList();
        var made = ReplicaPlacer.Missing(Shards, living, left, replicas);
        int wanted = Math.Min(replicas, living.Count);
        Assert.Equal(Shards.Sum(s => wanted - Math.Min(wanted, left.Count(p => p.Shard == s.Id))), made.Count);
        List<ReplicaPlacement> after = [.. left, .. Numbered(made, 1000)];
        Assert.All(after.GroupBy(p => p.Shard), shard => Assert.Equal(shard.Count(), shard.Select(p => p.Node).Distinct().Count()));
        Assert.DoesNotContain(made, r => r.Node == lost);
        Assert.Empty(ReplicaPlacer.Missing(Shards, living, after, replicas));
    }

    [Property(MaxTest = 100)]
    public void Moves_to_a_newcomer_end_and_each_makes_the_load_more_even(int seed)
    {
        var random = new Random(seed);
        int count = random.Next(1, 6), replicas = random.Next(1, 4);
        var nodes = Nodes(count + 1);
        List<ReplicaPlacement> placements = [.. ReplicaPlacer.Place(Shards, nodes[..count], replicas, 0)];
        // Copies that a larger cluster allows come first.
        placements.AddRange(Numbered(ReplicaPlacer.Missing(Shards, nodes, placements, replicas), 1000));
        for (int moves = 0; ReplicaPlacer.Move(Shards, nodes, placements) is { } move; moves++)
        {
            Assert.True(moves < 4 * Shards.Count, "moves without end");
            Assert.DoesNotContain(placements, p => p.Shard == move.Replica.Shard && p.Node == move.To);
            long emptiest = Load(move.To, placements), fullest = Load(move.Replica.Node, placements);
            placements.Remove(move.Replica);
            placements.Add(new ReplicaPlacement(move.Replica.Shard, new ReplicaId(2000 + moves), move.To));
            Assert.True(Math.Max(Load(move.To, placements), Load(move.Replica.Node, placements)) < fullest, $"{emptiest} and {fullest}");
        }
        Assert.True(Spread(nodes, placements) <= Shards.Max(s => s.Length));
    }

    [Fact]
    public void Two_lives_of_one_process_are_two_nodes()
    {
        NodeId first = Sample.Node(1), second = first with { Uid = 99 };
        Assert.Equal(2, ReplicaPlacer.Place(Shards, [first, second], 1, 0).Select(p => p.Node).Distinct().Count());
    }

    [Fact]
    public void Without_a_node_there_is_no_placement() => Assert.Throws<ArgumentException>(() => ReplicaPlacer.Place(Shards, [], 1, 0));
}
