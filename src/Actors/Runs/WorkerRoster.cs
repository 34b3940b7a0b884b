using Akka.Actor;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>A device as the coordinator sees it.</summary>
public sealed class DeviceSlot(NodeId node, IActorRef actor)
{
    /// <summary>Its node.</summary>
    public NodeId Node { get; } = node;

    /// <summary>Its actor.</summary>
    public IActorRef Actor { get; } = actor;

    /// <summary>Its name in the run.</summary>
    public DeviceId Id { get; } = new(node.Name, actor.Path.Name);

    /// <summary>The grant that it works on; null when idle.</summary>
    public Devices.GrantRanks? Grant { get; set; }

    /// <summary>When <see cref="Grant"/> was given.</summary>
    public DateTime GrantedAt { get; set; }

    /// <summary>Earliest moment for the next grant after a failure, so that a broken link is not hammered.</summary>
    public DateTime NotBefore { get; set; }

    /// <summary>Seconds that a rank takes it, as a moving average; 0 before its first result.</summary>
    public double SecondsPerRank { get; private set; }

    /// <summary>Notes the time of a grant that it has finished.</summary>
    public void Finished(int ranks, TimeSpan took)
    {
        double seconds = took.TotalSeconds / ranks;
        SecondsPerRank = SecondsPerRank == 0 ? seconds : (0.7 * SecondsPerRank) + (0.3 * seconds);
    }
}

/// <summary>A worker node as the coordinator sees it.</summary>
public sealed class Worker(WorkerHello hello)
{
    /// <summary>What it said last.</summary>
    public WorkerHello Hello { get; set; } = hello;

    /// <summary>Its devices.</summary>
    public IReadOnlyList<DeviceSlot> Devices { get; } = hello.Devices.Select(d => new DeviceSlot(hello.Node, d)).ToList();

    /// <summary>How many times in a row it did not name a replica that it should hold.</summary>
    public int HellosWithoutReplica { get; set; }

    /// <summary>The failure detector does not hear it.</summary>
    public bool Unreachable { get; set; }

    /// <summary>The connection to its tensor server is gone: most likely its process is.</summary>
    public bool LinkLost { get; set; }

    /// <summary>It has not spoken for longer than the plan allows.</summary>
    public bool Silent { get; set; }

    /// <summary>It was told to go: it gets no new work, and its replicas move away.</summary>
    public bool Draining { get; set; }

    /// <summary>When it spoke last.</summary>
    public DateTime HeardAt { get; set; }

    /// <summary>When its link was asked for last.</summary>
    public DateTime LinkAskedAt { get; set; }

    /// <summary>Whether replicas may live on it: it is there, or merely silent, and is to stay.</summary>
    public bool CanHold => !Unreachable && !LinkLost && !Draining;

    /// <summary>Whether it can be given work. It keeps its replicas while it cannot, as long as nobody waits for them.</summary>
    public bool CanWork => CanHold && !Silent;
}

/// <summary>The worker nodes of a run, in the order in which they came.</summary>
public sealed class WorkerRoster
{
    private readonly Dictionary<NodeId, Worker> _workers = [];

    /// <summary>All known workers.</summary>
    public IReadOnlyCollection<Worker> Workers => _workers.Values;

    /// <summary>Workers that can be given work.</summary>
    public IEnumerable<Worker> Reachable => _workers.Values.Where(w => w.CanWork);

    /// <summary>Workers that are there, also those that are to go.</summary>
    public IEnumerable<Worker> Answering => _workers.Values.Where(w => w is { Unreachable: false, LinkLost: false, Silent: false });

    /// <summary>Devices that can be given work.</summary>
    public IEnumerable<DeviceSlot> Devices => Reachable.SelectMany(w => w.Devices);

    /// <summary>Adds or refreshes a worker; true when it is new.</summary>
    public bool Update(WorkerHello hello)
    {
        if (_workers.TryGetValue(hello.Node, out var known))
        {
            known.Hello = hello;
            return false;
        }
        _workers.Add(hello.Node, new Worker(hello));
        return true;
    }

    /// <summary>The worker of a node; null if it is not known.</summary>
    public Worker? Find(NodeId node) => _workers.GetValueOrDefault(node);

    /// <summary>The worker at a cluster address and incarnation; null if there is none.</summary>
    public Worker? Find(string address, int uid) => _workers.Values.FirstOrDefault(w => w.Hello.Node.Address == address && w.Hello.Node.Uid == uid);

    /// <summary>The device of an actor; null if it is not known.</summary>
    public DeviceSlot? FindDevice(IActorRef actor) => _workers.Values.SelectMany(w => w.Devices).FirstOrDefault(d => d.Actor.Equals(actor));

    /// <summary>Forgets a node; null if it was not known.</summary>
    public Worker? Remove(NodeId node) => _workers.Remove(node, out var worker) ? worker : null;

    /// <summary>A held replica; null if no node has reported it.</summary>
    public HeldReplica? Holder(ReplicaPlacement placement) =>
        Find(placement.Node)?.Hello.Replicas.FirstOrDefault(r => r.Shard == placement.Shard && r.Replica == placement.Replica);
}
