using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Engine;

namespace ElasticTrain.Scale;

/// <summary>The modelled cluster around one real coordinator: nodes, network, membership, failures, sums.</summary>
internal sealed class Cluster
{
    private readonly Dictionary<NodeId, Node> _alive = [];
    private readonly Dictionary<NodeId, Node> _members = [];
    private readonly Dictionary<IActorRef, Replica> _replicas = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<NodeId> _watched = [];
    private readonly HashSet<string> _dead = [];
    private (IReadOnlyList<ShardRoute> Routes, int Dead, IReadOnlyList<ReplicaId> Ids) _missed = ([], 0, []);
    private Office _office;
    private Lineage _summing, _summed;
    private bool[] _contributed = [];
    private int _count;
    private TimeSpan _openedAt;
    private int _life;

    public Cluster(Scenario scenario)
    {
        Scenario = scenario;
        Facts = scenario.Facts();
        Chance = new Chance(scenario.Seed);
        Failing = new Chance(scenario.Seed ^ 0xFA11);
        for (int slot = 0; slot < scenario.Nodes - scenario.MissingNodes; slot++) Launch(slot, TimeSpan.FromMilliseconds(1 + (Scenario.HelloInterval.TotalMilliseconds * Chance.Unit())));
        _office = new Office(this, _alive.Values.First(), RunState.Empty, 0, null);
    }

    public Scenario Scenario { get; }

    public RunFacts Facts { get; }

    public Scheduler Time { get; } = new();

    public Chance Chance { get; }

    /// <summary>Chance of failures alone, so that a disturbed run's devices are those of the undisturbed one.</summary>
    private Chance Failing { get; }

    public Traffic Traffic { get; } = new();

    public Office Office => _office;

    public IEnumerable<Node> Nodes => _alive.Values;

    public int Members => _members.Count;

    /// <summary>When each step was decided, from the first one on.</summary>
    public List<TimeSpan> DecidedAt { get; } = [];

    /// <summary>When the coordinator failed; null before it does.</summary>
    public TimeSpan? FailedOverAt { get; private set; }

    /// <summary>Runs until the devices' speeds are known and no replica moves any more: the first placement is evened out by moves, one at a time.</summary>
    public void WarmUp()
    {
        for (int still = 0, last = -1; still < 6; still++)
        {
            RunTo(DecidedAt.Count + 1);
            if (_office.State.LastReplica != last) still = 0;
            last = _office.State.LastReplica;
        }
    }

    /// <summary>Runs until so many steps are decided.</summary>
    public void RunTo(int steps)
    {
        if (Time.Now == TimeSpan.Zero) _office.Start();
        while (DecidedAt.Count < steps)
        {
            if (!Time.Step()) throw new InvalidOperationException("Nothing happens any more.");
            if (Time.Now > TimeSpan.FromSeconds(3600 + (steps * 60 * Scenario.RankSeconds))) throw new InvalidOperationException($"Step {DecidedAt.Count + 1} is not decided: {string.Join("; ", _office.Notes.All().TakeLast(5).Select(n => n.Text))}");
        }
    }

    /// <summary>Lets a node fail at a random moment of the time to come: its process dies, or its machine says nothing any more.</summary>
    public void PlanFailure(TimeSpan within, bool isSilent) => Time.After(within * Failing.Unit(), () =>
    {
        var victims = _alive.Values.Where(n => n != _office.CoordinatorNode).ToList();
        Lose(victims[Failing.Next(victims.Count)], isSilent);
    });

    /// <summary>Whether every shard has all its replicas in sync.</summary>
    public bool IsWhole => _office.State.Replicas.Count == Facts.Layout.Shards.Count * Facts.Plan.Elastic.Replicas;

    public TimeSpan Latency() => Scenario.Latency * (1 + Chance.Unit());

    public bool IsMember(NodeId node) => _members.ContainsKey(node);

    public void Probe(Office office, NodeId node)
    {
        if (!_alive.ContainsKey(node)) Time.After(Scenario.LinkBreaks, () => office.Receive(new NodeGone(node), office.Ref));
    }

    public void WatchLink(Office office, NodeId node)
    {
        _watched.Add(node);
        if (!_alive.ContainsKey(node)) Time.After(Scenario.LinkBreaks, () => office.Receive(new LinkLost(node, "refused"), office.Ref));
    }

    /// <summary>A message to whoever coordinates now.</summary>
    public void TellCoordinator(Node from, object message, IActorRef? sender = null) => Time.After(Latency(), () =>
    {
        Traffic.CountReceived(message);
        _office.Receive(message, sender ?? from.Agent);
    });

    public Replica? Entity(ReplicaPlacement placement)
    {
        if (!_alive.TryGetValue(placement.Node, out var node)) return null;
        if (node.Replicas.TryGetValue(placement.Replica, out var known)) return known;
        var replica = node.Replicas[placement.Replica] = new Replica(this, node, placement);
        _replicas.Add(replica.Ref, replica);
        return replica;
    }

    public Replica? FindReplica(IActorRef actor) => _replicas.GetValueOrDefault(actor);

    public void OnWriter(object message)
    {
        if (message is WriteManifest m) TellCoordinator(_office.CoordinatorNode, new ManifestWritten(new Lineage(m.Manifest.Step, m.Manifest.Lineage), Digest256.Of("state")));
    }

    public void OnDecided(Step step)
    {
        if (step.Value == DecidedAt.Count + 1) DecidedAt.Add(Time.Now);
    }

    /// <summary>Replicas among some routes whose node is gone: what a device could not reach.</summary>
    public IReadOnlyList<ReplicaId> Missed(IReadOnlyList<ShardRoute> routes)
    {
        if (_dead.Count == 0) return [];
        if (_missed.Routes != routes || _missed.Dead != _dead.Count) _missed = (routes, _dead.Count, [.. routes.Where(r => _dead.Contains(r.DataPlane) && !r.IsObserver).Select(r => r.Replica)]);
        return _missed.Ids;
    }

    /// <summary>Ranks have reached all replicas; with the last one of a step the sums are complete.</summary>
    public void Contributed(Lineage input, Attempt attempt, RankRange ranks)
    {
        if (input != _summing || attempt != Attempt)
        {
            if (input.Step < _summing.Step) return;
            (_summing, _summed, Attempt, _count, _contributed) = (input, default, attempt, 0, new bool[Scenario.VirtualRanks]);
            _openedAt = DecidedAt.Count > 0 ? DecidedAt[^1] : TimeSpan.Zero;
        }
        for (int i = ranks.Lo; i < ranks.Hi; i++)
        {
            if (_contributed[i]) continue;
            _contributed[i] = true;
            _count++;
        }
        if (_count < _contributed.Length || _summed == input) return;
        _summed = input;
        foreach (var node in _alive.Values)
            foreach (var replica in node.Replicas.Values) replica.OnSum(input, _openedAt);
    }

    /// <summary>The attempt whose contributions are summed. Nobody computes wrongly here, and there is one coordinator: a step has a second one only if its sums were lost.</summary>
    public Attempt Attempt { get; private set; }

    public bool IsSummed(Lineage input) => _summed == input;

    private void Launch(int slot, TimeSpan helloAfter)
    {
        var node = new Node(this, slot, ++_life, Math.Min(Scenario.DevicesPerNode, Scenario.Devices - (slot * Scenario.DevicesPerNode)));
        _dead.Remove(node.DataPlane);
        _alive.Add(node.Id, node);
        _members.Add(node.Id, node);
        node.Start(helloAfter);
    }

    private void Lose(Node node, bool isSilent)
    {
        node.Kill();
        _alive.Remove(node.Id);
        _dead.Add(node.DataPlane);
        if (!isSilent && _watched.Remove(node.Id)) Time.After(Scenario.LinkBreaks, () => _office.Receive(new LinkLost(node.Id, "reset"), _office.Ref));
        Time.After(Scenario.GoneAfter, () =>
        {
            _members.Remove(node.Id);
            _office.Receive(new MembershipChanged(node.Id.Address, node.Id.Uid, MembershipChange.Gone), _office.Ref);
        });
        Time.After(Scenario.ReplacedAfter, () => Launch(node.Slot, TimeSpan.FromMilliseconds(10)));
    }

    /// <summary>The coordinator's node fails, and another one takes its place.</summary>
    public void FailOver()
    {
        var old = _office;
        old.Stop();
        Lose(old.CoordinatorNode, isSilent: false);
        FailedOverAt = Time.Now;
        _watched.Clear();
        Time.After(Scenario.SuccessorAfter, () =>
        {
            _office = new Office(this, _alive.Values.First(), old.State, old.JournalLength, old.CoordinatorNode.Id);
            _office.Start();
            // Everybody says hello as soon as the new coordinator's heartbeat is heard.
            foreach (var node in _alive.Values) Time.After(Latency(), node.Hello);
        });
    }
}
