using Akka.Actor;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>A replica that serves, as the coordinator sees it.</summary>
/// <param name="placement">Its shard, number and node.</param>
/// <param name="actor">Its entity.</param>
/// <param name="isInSync">Whether decisions wait for it; otherwise it still follows its sibling.</param>
public sealed class LiveReplica(ReplicaPlacement placement, IActorRef actor, bool isInSync)
{
    /// <summary>Its shard, number and node.</summary>
    public ReplicaPlacement Placement { get; } = placement;

    /// <summary>The shard.</summary>
    public ShardId Shard => Placement.Shard;

    /// <summary>Its number.</summary>
    public ReplicaId Id => Placement.Replica;

    /// <summary>Its entity.</summary>
    public IActorRef Actor { get; } = actor;

    /// <summary>Whether decisions wait for it.</summary>
    public bool IsInSync { get; set; } = isInSync;

    /// <summary>The version that it has confirmed last.</summary>
    public Lineage Applied { get; set; }

    /// <summary>Checksum of its state at <see cref="Applied"/>; null where no update of its own led there.</summary>
    public ulong? Checksum { get; set; }
}

/// <summary>
/// The replicas of every shard that serve: the in-sync sets, each with its primary first, and behind them the observers, which still follow a
/// sibling. A coordinator's own view; what is durable of it is in <see cref="RunState.Replicas"/>.
/// </summary>
public sealed class ReplicaSets
{
    private readonly List<LiveReplica>[] _byShard;
    private readonly Dictionary<ReplicaId, LiveReplica> _byId = [];
    private readonly Dictionary<NodeId, List<LiveReplica>> _byNode = [];

    /// <summary>Without replicas.</summary>
    /// <param name="shards">Number of shards.</param>
    public ReplicaSets(int shards) => _byShard = [.. Enumerable.Range(0, shards).Select(_ => new List<LiveReplica>())];

    /// <summary>All of them, in shard order.</summary>
    public IEnumerable<LiveReplica> All => _byShard.SelectMany(r => r);

    /// <summary>The members of the in-sync sets, in shard order.</summary>
    public IEnumerable<LiveReplica> InSync => All.Where(r => r.IsInSync);

    /// <summary>Those that still follow a sibling.</summary>
    public IEnumerable<LiveReplica> Observers => All.Where(r => !r.IsInSync);

    /// <summary>A shard's replicas: the in-sync ones in the order in which they came, then the observers.</summary>
    public IReadOnlyList<LiveReplica> Of(ShardId shard) => _byShard[shard.Value];

    /// <summary>A node's replicas, in shard order.</summary>
    public IEnumerable<LiveReplica> On(NodeId node) => _byNode.TryGetValue(node, out var replicas) ? replicas.OrderBy(r => r.Shard.Value) : [];

    /// <summary>Grows with every replica that comes, goes or is admitted.</summary>
    public long Changes { get; private set; }

    /// <summary>A shard's in-sync set.</summary>
    public IEnumerable<LiveReplica> InSyncOf(ShardId shard) => _byShard[shard.Value].Where(r => r.IsInSync);

    /// <summary>The first of a shard's in-sync set.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public LiveReplica Primary(ShardId shard) => _byShard[shard.Value] is [{ IsInSync: true } first, ..] ? first : throw new InvalidOperationException($"{shard} has no replica in sync.");

    /// <summary>A replica; null if it is none of these.</summary>
    public LiveReplica? Find(ReplicaId id) => _byId.GetValueOrDefault(id);

    /// <summary>Whether a shard would be lost with these replicas.</summary>
    public bool WouldLose(IEnumerable<ReplicaId> ids)
    {
        var gone = ids.ToHashSet();
        return _byShard.Any(replicas => replicas.Any(r => r.IsInSync) && replicas.All(r => !r.IsInSync || gone.Contains(r.Id)));
    }

    /// <summary>Whether a replica is all that its shard has in sync.</summary>
    public bool IsLast(LiveReplica replica) => replica.IsInSync && InSyncOf(replica.Shard).Count() == 1;

    /// <summary>Adds a replica; false if it is known already.</summary>
    public bool Add(LiveReplica replica)
    {
        if (!_byId.TryAdd(replica.Id, replica)) return false;
        Changes++;
        if (!_byNode.TryGetValue(replica.Placement.Node, out var neighbours)) _byNode[replica.Placement.Node] = neighbours = [];
        neighbours.Add(replica);
        var siblings = _byShard[replica.Shard.Value];
        siblings.Insert(replica.IsInSync ? siblings.Count(r => r.IsInSync) : siblings.Count, replica);
        return true;
    }

    /// <summary>An observer becomes a member of its shard's in-sync set.</summary>
    public void Admit(LiveReplica observer)
    {
        var siblings = _byShard[observer.Shard.Value];
        siblings.Remove(observer);
        observer.IsInSync = true;
        Changes++;
        siblings.Insert(siblings.Count(r => r.IsInSync), observer);
    }

    /// <summary>Forgets a replica; null if it was none of these.</summary>
    public LiveReplica? Remove(ReplicaId id)
    {
        if (!_byId.Remove(id, out var replica)) return null;
        Changes++;
        _byShard[replica.Shard.Value].Remove(replica);
        var neighbours = _byNode[replica.Placement.Node];
        neighbours.Remove(replica);
        if (neighbours.Count == 0) _byNode.Remove(replica.Placement.Node);
        return replica;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        Changes++;
        _byId.Clear();
        _byNode.Clear();
        foreach (var replicas in _byShard) replicas.Clear();
    }
}
