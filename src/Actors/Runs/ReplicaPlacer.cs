using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>Decides on which node each replica lives: bytes balanced, a pure function of its arguments.</summary>
public static class ReplicaPlacer
{
    /// <summary>Places one replica of every shard.</summary>
    /// <param name="shards">The plan's shards.</param>
    /// <param name="nodes">Live nodes, in any order; at least one.</param>
    /// <param name="lastReplica">The highest replica number used so far.</param>
    /// <returns>One placement per shard, in shard order, with new replica numbers.</returns>
    public static IReadOnlyList<ReplicaPlacement> Place(IReadOnlyList<ShardInfo> shards, IReadOnlyCollection<NodeId> nodes, int lastReplica)
    {
        if (nodes.Count == 0) throw new ArgumentException("Replicas need at least one node.", nameof(nodes));
        var load = nodes.OrderBy(n => n.Name, StringComparer.Ordinal).ThenBy(n => n.Address, StringComparer.Ordinal).ThenBy(n => n.Uid)
            .Select(n => (Node: n, Length: 0L)).ToArray();
        var placed = new NodeId[shards.Count];
        foreach (int shard in Enumerable.Range(0, shards.Count).OrderByDescending(i => shards[i].Length).ThenBy(i => i))
        {
            int least = 0;
            for (int i = 1; i < load.Length; i++)
                if (load[i].Length < load[least].Length) least = i;
            load[least].Length += shards[shard].Length;
            placed[shard] = load[least].Node;
        }
        return placed.Select((node, i) => new ReplicaPlacement(shards[i].Id, new ReplicaId(lastReplica + 1 + i), node)).ToList();
    }
}
