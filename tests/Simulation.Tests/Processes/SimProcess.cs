using Akka.Actor;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Faults;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>
/// One life of a node's process: its agent, its devices, its replicas, its checkpoint writer, and its place in the succession. Everything that happens in it
/// happens through <see cref="Post"/>, which a death drops and a pause holds back.
/// </summary>
public sealed class SimProcess
{
    /// <summary>Local messages arrive in order after this.</summary>
    public static readonly TimeSpan LocalDelay = TimeSpan.FromMicroseconds(10);

    private readonly List<Action> _heldBack = [];
    private readonly Dictionary<string, SimReplica> _entities = [];
    private readonly List<Func<bool>> _parked = [];
    private readonly Dictionary<NodeId, bool> _members = [];

    /// <summary>Starts it.</summary>
    /// <param name="sim">The simulation.</param>
    /// <param name="slot">Which machine.</param>
    /// <param name="uid">Which life.</param>
    public SimProcess(Simulation sim, int slot, int uid)
    {
        (Sim, Slot) = (sim, slot);
        Address = new Address("akka.tcp", "sim", $"node-{slot + 1}", 1);
        Id = new NodeId($"node-{slot + 1}", Address.ToString(), uid);
        Label = $"{Id.Name}#{uid}";
        DataPlane = $"{Label}:data";
        Root = new RootActorPath(Address) / $"life-{uid}";
        Replicas = new ReplicaDirectory(sim.Pool);
        Parameters = new SimParameters(this);
        Devices = [.. Enumerable.Range(0, sim.Scenario.Devices).Select(i => new SimDevice(this, i))];
        Agent = new SimRef(this, "agent", OnAgent);
        Writer = new SimWriter(this);
        Succession = new SimSuccession(this);
    }

    /// <summary>The simulation.</summary>
    public Simulation Sim { get; }

    /// <summary>Which machine.</summary>
    public int Slot { get; }

    /// <summary>Name, address and life.</summary>
    public NodeId Id { get; }

    /// <summary>For people.</summary>
    public string Label { get; }

    /// <summary>Its cluster address.</summary>
    public Address Address { get; }

    /// <summary>Where the paths of its parts begin.</summary>
    public ActorPath Root { get; }

    /// <summary>Its tensor server.</summary>
    public string DataPlane { get; }

    /// <summary>Its agent.</summary>
    public SimRef Agent { get; }

    /// <summary>Its devices.</summary>
    public IReadOnlyList<SimDevice> Devices { get; }

    /// <summary>Its checkpoint writer.</summary>
    public SimWriter Writer { get; }

    /// <summary>Its place in the succession.</summary>
    public SimSuccession Succession { get; }

    /// <summary>Its replicas as its tensor server sees them.</summary>
    public ReplicaDirectory Replicas { get; }

    /// <summary>The parameters that its devices compute on.</summary>
    public SimParameters Parameters { get; }

    /// <summary>Its replicas that serve.</summary>
    public IEnumerable<SimReplica> Serving => _entities.Values.Where(e => e.Control.Replica is not null);

    /// <summary>Whether it runs.</summary>
    public bool IsAlive { get; private set; } = true;

    /// <summary>Whether it handles nothing at the moment.</summary>
    public bool IsPaused { get; private set; }

    /// <summary>Whether the cluster has put it out.</summary>
    public bool IsDowned { get; set; }

    /// <summary>Whether it has become a member.</summary>
    public bool HasJoined { get; set; }

    /// <summary>Since when the cluster does not hear it; null while it does.</summary>
    public TimeSpan? UnheardSince { get; set; }

    /// <summary>Whether the cluster has called it unreachable.</summary>
    public bool IsUnreachable { get; set; }

    /// <summary>Runs something in the process later.</summary>
    public void Post(TimeSpan delay, Action action) => Sim.Scheduler.After(delay, () =>
    {
        if (!IsAlive) return;
        if (IsPaused) _heldBack.Add(action);
        else Run(action);
    });

    /// <summary>Runs something in the process again and again; while it is paused, the calls that are due become one.</summary>
    public void Every(TimeSpan period, Func<bool> action) => Post(period, () =>
    {
        if (action()) Every(period, action);
    });

    /// <summary>Begins to work.</summary>
    public void Start()
    {
        Every(TimeSpan.FromMilliseconds(250), () =>
        {
            Hello();
            return true;
        });
        Succession.Start();
    }

    /// <summary>The cluster's news reach this process.</summary>
    public void Hear(NodeId node, MembershipChange? change)
    {
        if (change == MembershipChange.Gone) _members.Remove(node);
        else if (change is null) _members[node] = true;
        Succession.Candidate?.OnMembership(node, change);
        foreach (var entity in _entities.Values.ToList()) entity.OnMembership(node, change);
    }

    /// <summary>Whether this process knows a node as a member.</summary>
    public bool IsMember(NodeId node) => _members.ContainsKey(node);

    /// <summary>The members that this process knows.</summary>
    public IReadOnlyCollection<NodeId> Members => _members.Keys;

    /// <summary>A message for a replica by name, which makes the entity where it does not live.</summary>
    public void DeliverToEntity(ReplicaPlacement placement, object message, IActorRef sender)
    {
        if (placement.Node.Address != Id.Address) return;
        string name = ReplicaEntityId.Of(placement).ToString();
        if (!_entities.TryGetValue(name, out var entity)) _entities[name] = entity = new SimReplica(this, placement.Shard, placement.Replica, ReplicaEntityId.Parse(name));
        entity.Ref.Deliver(message, sender);
    }

    /// <summary>An entity has ended.</summary>
    public void Forget(SimReplica entity) => _entities.Remove(entity.EntityId.ToString());

    /// <summary>Tries again and again, whenever something may have changed here, until it says true.</summary>
    public void Park(Func<bool> attempt)
    {
        if (!attempt()) _parked.Add(attempt);
    }

    /// <summary>Its agent offers its devices.</summary>
    public void Hello()
    {
        if (Succession.Coordinator is not { } coordinator) return;
        var facts = Sim.Facts;
        Sim.Network.Send(this, coordinator, new WorkerHello(
            Id, Id.Uid, facts.Run, NodeRuntime.ProtocolVersion, Sim.Sabotage == Sabotage.ForeignNode && Slot == 1 ? Digest256.Of("another plan") : facts.PlanHash, facts.NumericsClass, DataPlane, Agent, [.. Devices.Select(d => d.Ref)],
            [.. Serving.OrderBy(r => r.EntityId.Shard.Value).ThenBy(r => r.EntityId.Replica.Value)
                .Select(r => new HeldReplica(r.EntityId.Shard, r.EntityId.Replica, r.Control.Replica!.Applied, r.Ref))]), Agent);
    }

    /// <summary>Holds everything back for a while.</summary>
    public void Pause(TimeSpan time)
    {
        if (IsPaused || !IsAlive) return;
        IsPaused = true;
        Sim.Scheduler.After(time, Resume);
    }

    /// <summary>Everything that was held back happens now, in its order.</summary>
    public void Resume()
    {
        if (!IsPaused) return;
        IsPaused = false;
        var held = _heldBack.ToList();
        _heldBack.Clear();
        foreach (var action in held) Post(TimeSpan.Zero, action);
    }

    /// <summary>It is gone.</summary>
    public void Kill()
    {
        if (!IsAlive) return;
        IsAlive = false;
        _heldBack.Clear();
        Succession.Candidate?.Drop();
        foreach (var entity in _entities.Values.ToList()) entity.Free();
        foreach (var device in Devices) device.Free();
    }

    private void Run(Action action)
    {
        action();
        for (bool any = true; any && IsAlive && _parked.Count > 0;)
        {
            any = false;
            foreach (var attempt in _parked.ToList())
            {
                if (!attempt()) continue;
                _parked.Remove(attempt);
                any = true;
            }
        }
    }

    private void OnAgent(object message, IActorRef sender)
    {
        switch (message)
        {
            case RunEnded m:
                Sim.Trace?.Invoke($"{Label} ends with {m.ExitCode}: {m.Message}");
                Sim.OnProcessEnded(this, m);
                break;
            case WorkerRefused m: throw new SimulationFailure($"{Label} was refused: {m.Reason}");
            case NodeDrained:
                // Drained for good or for now: its machine offers a new life to the run some time later.
                Sim.Trace?.Invoke($"{Label} has drained");
                Sim.Kill(this);
                break;
            case StopRun m:
                if (Succession.Coordinator is { } coordinator) Sim.Network.Send(this, coordinator, m, Agent);
                break;
            default: break;
        }
    }
}
