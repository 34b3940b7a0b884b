using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>A replica to be made.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Node">Where.</param>
public readonly record struct Recruit(ShardId Shard, NodeId Node);

/// <summary>
/// Decides on which node each replica lives: siblings apart, bytes balanced, as little as possible moved. Pure functions of their arguments, whatever
/// the order of the nodes.
/// </summary>
public static class ReplicaPlacer
{
    /// <summary>Places replicas of every shard from nothing.</summary>
    /// <param name="shards">The plan's shards.</param>
    /// <param name="nodes">Live nodes, in any order; at least one.</param>
    /// <param name="replicas">Wanted copies of each shard; fewer where there are fewer nodes.</param>
    /// <param name="lastReplica">The highest replica number used so far.</param>
    /// <returns>In shard order, the primary of a shard first, with new replica numbers.</returns>
    public static IReadOnlyList<ReplicaPlacement> Place(IReadOnlyList<ShardInfo> shards, IReadOnlyCollection<NodeId> nodes, int replicas, int lastReplica)
    {
        if (nodes.Count == 0) throw new ArgumentException("Replicas need at least one node.", nameof(nodes));
        ArgumentOutOfRangeException.ThrowIfLessThan(replicas, 1);
        var recruits = Missing(shards, nodes, [], replicas).ToLookup(r => r.Shard);
        return shards.SelectMany(s => recruits[s.Id]).Select((r, i) => new ReplicaPlacement(r.Shard, new ReplicaId(lastReplica + 1 + i), r.Node)).ToList();
    }

    /// <summary>The replicas that are missing, each on the node with the fewest bytes that has none of the shard.</summary>
    /// <param name="shards">The plan's shards.</param>
    /// <param name="nodes">Nodes that may take replicas, in any order.</param>
    /// <param name="present">What there is, also on nodes that may not take more.</param>
    /// <param name="replicas">Wanted copies of each shard on <paramref name="nodes"/>.</param>
    /// <returns>Largest shards first; a shard's first copy before any second one.</returns>
    public static IReadOnlyList<Recruit> Missing(
        IReadOnlyList<ShardInfo> shards, IReadOnlyCollection<NodeId> nodes, IReadOnlyCollection<ReplicaPlacement> present, int replicas)
    {
        var load = new Load(shards, nodes, present);
        int wanted = Math.Min(replicas, nodes.Count);
        var result = new List<Recruit>();
        for (int copy = 1; copy <= wanted; copy++)
        {
            foreach (var shard in shards.OrderByDescending(s => s.Length).ThenBy(s => s.Id.Value))
            {
                if (load.Copies(shard.Id) >= copy || load.Least(shard.Id) is not { } node) continue;
                load.Add(shard.Id, node);
                result.Add(new Recruit(shard.Id, node));
            }
        }
        return result;
    }

    /// <summary>
    /// The move that evens the load out most: a replica of the fullest node that the emptiest one has no copy of, if the difference between the
    /// two gets smaller by it. Null where nothing is gained.
    /// </summary>
    /// <param name="shards">The plan's shards.</param>
    /// <param name="nodes">Nodes that may hold replicas.</param>
    /// <param name="present">What there is.</param>
    public static (ReplicaPlacement Replica, NodeId To)? Move(IReadOnlyList<ShardInfo> shards, IReadOnlyCollection<NodeId> nodes, IReadOnlyCollection<ReplicaPlacement> present)
    {
        var load = new Load(shards, nodes, present);
        if (load.Extremes() is not ({ } empty, { } full, long difference)) return null;
        // Half the difference would make them equal; a shard of the whole difference only swaps them.
        var best = present.Where(p => p.Node == full && shards[p.Shard.Value].Length < difference && !load.Has(p.Shard, empty))
            .OrderBy(p => Math.Abs((2 * shards[p.Shard.Value].Length) - difference)).ThenBy(p => p.Shard.Value).FirstOrDefault();
        return best is null ? null : (best, empty);
    }

    /// <summary>What each node holds.</summary>
    private sealed class Load
    {
        private readonly IReadOnlyList<ShardInfo> _shards;
        private readonly NodeId[] _nodes;
        private readonly Dictionary<NodeId, long> _length;
        private readonly HashSet<(ShardId, NodeId)> _held = [];
        private readonly int[] _copies;

        public Load(IReadOnlyList<ShardInfo> shards, IReadOnlyCollection<NodeId> nodes, IReadOnlyCollection<ReplicaPlacement> present)
        {
            _shards = shards;
            _nodes = [.. nodes.OrderBy(n => n.Name, StringComparer.Ordinal).ThenBy(n => n.Address, StringComparer.Ordinal).ThenBy(n => n.Uid)];
            _length = _nodes.ToDictionary(n => n, _ => 0L);
            _copies = new int[shards.Count];
            foreach (var placement in present)
                if (_length.ContainsKey(placement.Node)) Add(placement.Shard, placement.Node);
        }

        public int Copies(ShardId shard) => _copies[shard.Value];

        public bool Has(ShardId shard, NodeId node) => _held.Contains((shard, node));

        public void Add(ShardId shard, NodeId node)
        {
            if (!_held.Add((shard, node))) return;
            _copies[shard.Value]++;
            _length[node] += _shards[shard.Value].Length;
        }

        public NodeId? Least(ShardId shard)
        {
            NodeId? least = null;
            foreach (var node in _nodes)
                if (!Has(shard, node) && (least is null || _length[node] < _length[least.Value])) least = node;
            return least;
        }

        public (NodeId? Empty, NodeId? Full, long Difference) Extremes()
        {
            if (_nodes.Length < 2) return (null, null, 0);
            var (empty, full) = (_nodes.MinBy(n => _length[n]), _nodes.MaxBy(n => _length[n]));
            return (empty, full, _length[full] - _length[empty]);
        }
    }
}
