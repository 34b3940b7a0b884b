using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Scale;

/// <summary>One life of a node: says hello, holds replicas, has devices.</summary>
internal sealed class Node
{
    private readonly Cluster _cluster;
    private readonly Ref[] _deviceRefs;

    public Node(Cluster cluster, int slot, int life, int devices)
    {
        _cluster = cluster;
        Slot = slot;
        var address = new Address("akka.tcp", "elastictrain", $"node-{slot:d5}", 4053);
        Id = new NodeId($"node-{slot:d5}", address.ToString(), life);
        DataPlane = $"node-{slot:d5}:4054";
        Root = new RootActorPath(address) / "user";
        Agent = new Ref(Root / "agent", _ => { });
        Writer = new Ref(Root / "checkpoints", cluster.OnWriter);
        _deviceRefs = [.. Enumerable.Range(0, devices).Select(i => new Device(cluster, this, i).Ref)];
    }

    public int Slot { get; }

    public NodeId Id { get; }

    public string DataPlane { get; }

    public ActorPath Root { get; }

    public Ref Agent { get; }

    public Ref Writer { get; }

    public bool IsAlive { get; private set; } = true;

    public Dictionary<ReplicaId, Replica> Replicas { get; } = [];

    public void Start(TimeSpan after)
    {
        _cluster.Time.After(after, () =>
        {
            if (!IsAlive) return;
            Hello();
            _cluster.Time.Every(_cluster.Scenario.HelloInterval, () =>
            {
                if (IsAlive) Hello();
                return IsAlive;
            });
        });
    }

    public void Kill() => IsAlive = false;

    public void Hello() => _cluster.TellCoordinator(this, new WorkerHello(
        Id, 1000 + Slot, _cluster.Facts.Run, NodeRuntime.ProtocolVersion, _cluster.Facts.PlanHash, _cluster.Facts.NumericsClass, DataPlane, Agent, _deviceRefs,
        [.. Replicas.Values.Where(r => r.IsLoaded).Select(r => new HeldReplica(r.Shard, r.Id, r.Applied, r.Ref))]));
}

/// <summary>A device: which grants it takes is the product's <see cref="DeviceGrants"/>; computing is waiting.</summary>
internal sealed class Device
{
    /// <summary>Token counts of ranks as they come from the network: a few different ones stand for all, to save memory.</summary>
    private static readonly List<long>[] TokenCounts = [.. Enumerable.Range(0, 64).Select(i =>
    {
        var chance = new Chance((ulong)i);
        return Enumerable.Range(0, Scenario.Layout.MoeLayerCount * Scenario.Layout.Config.NRoutedExperts).Select(_ => (long)chance.Next(800)).ToList();
    })];

    /// <summary>Nobody computes wrongly here: the same checksums stand for all ranks.</summary>
    private static readonly List<ulong> Checksums = [.. Enumerable.Repeat(1UL, RankChecksums.PiecesOf(Scenario.Layout).Count)];

    private readonly Cluster _cluster;
    private readonly Node _node;
    private readonly DeviceGrants _grants = new();
    private readonly double _pace;

    public Device(Cluster cluster, Node node, int index)
    {
        (_cluster, _node) = (cluster, node);
        Ref = new Ref(node.Root / $"device-{index}", m => OnGrant((GrantRanks)m));
        _pace = cluster.Scenario.RankSeconds * cluster.Chance.LogNormal(cluster.Scenario.DeviceSpread) * (cluster.Chance.Unit() < cluster.Scenario.Stragglers ? 1.5 : 1);
    }

    public Ref Ref { get; }

    private void OnGrant(GrantRanks grant)
    {
        if (!_node.IsAlive) return;
        switch (_grants.Offer(grant))
        {
            case GrantAnswer.Repeat: _cluster.TellCoordinator(_node, _grants.Last!); return;
            case GrantAnswer.Ignore: return;
            case GrantAnswer.LackRoutes: _cluster.TellCoordinator(_node, DeviceGrants.WithoutRoutes(grant)); return;
            default: break;
        }
        grant = _grants.Current!;
        double seconds = 0;
        for (int i = 0; i < grant.Ranks.Count; i++) seconds += _pace * _cluster.Chance.LogNormal(_cluster.Scenario.RankSpread);
        _cluster.Time.After(TimeSpan.FromSeconds(seconds), () =>
        {
            if (!_node.IsAlive || !_grants.IsCurrent(grant)) return;
            List<RankOutcome> outcomes = [];
            for (int rank = grant.Ranks.Lo; rank < grant.Ranks.Hi; rank++) outcomes.Add(new RankOutcome(8, Scenario.TokensPerRank, TokenCounts[rank % TokenCounts.Length]));
            if (!grant.IsAudit) _cluster.Contributed(grant.Input, grant.Attempt, grant.Ranks);
            _cluster.TellCoordinator(_node, _grants.Complete(outcomes, _cluster.Missed(grant.Routes), [.. grant.Audited.Select(rank => new RankChecksums(rank, Checksums))]));
        });
    }
}
