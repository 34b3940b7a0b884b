using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>A device as the coordinator sees it.</summary>
public sealed class DeviceSlot(Worker worker, IActorRef actor)
{
    /// <summary>Its node.</summary>
    public Worker Worker { get; } = worker;

    /// <summary>Its actor.</summary>
    public IActorRef Actor { get; } = actor;

    /// <summary>Its name in the run.</summary>
    public DeviceId Id { get; } = new(worker.Hello.Node.Name, actor.Path.Name);

    /// <summary>The grant that it works on; null when idle.</summary>
    public GrantRanks? Grant { get; private set; }

    /// <summary>When <see cref="Grant"/> was given.</summary>
    public DateTime GrantedAt { get; private set; }

    /// <summary>The attempt at a step that its last grant belongs to.</summary>
    public Attempt Attempt { get; private set; }

    /// <summary>It takes so long for its grant that its ranks were given to others: nobody waits for it.</summary>
    public bool IsOverdue { get; set; }

    /// <summary>Its place in the order in which devices came.</summary>
    internal int Number { get; set; }

    /// <summary>Earliest moment for the next grant after a failure, so that a broken link is not hammered.</summary>
    public DateTime NotBefore { get; set; }

    /// <summary>Seconds that a rank takes it, as a moving average; 0 before its first result.</summary>
    public double SecondsPerRank { get; private set; }

    /// <summary>To be called by the roster alone, which knows devices by their grants.</summary>
    internal void Begin(GrantRanks grant, DateTime now) => (Grant, GrantedAt, IsOverdue, Attempt) = (grant, now, false, grant.Attempt);

    /// <summary>Likewise.</summary>
    internal void End() => (Grant, IsOverdue) = (null, false);

    private (long Grant, IReadOnlyList<ShardRoute> Routes) _said;
    private bool _hasRoutes;

    /// <summary>A grant as it is sent: routes that the device has had with an earlier one, which it has finished, are not said again.</summary>
    public GrantRanks Brief(GrantRanks grant)
    {
        if (_hasRoutes && _said.Routes == grant.Routes) return grant with { Routes = [], RoutesOf = _said.Grant };
        (_said, _hasRoutes) = ((grant.GrantId, grant.Routes), false);
        return grant;
    }

    /// <summary>A grant has failed, perhaps because the device has lost its memory.</summary>
    public void Failed() => _hasRoutes = false;

    /// <summary>Notes that it has finished a grant, and how long that took.</summary>
    public void Finished(long grant, int ranks, TimeSpan took)
    {
        _hasRoutes |= grant == _said.Grant;
        double seconds = took.TotalSeconds / ranks;
        SecondsPerRank = SecondsPerRank == 0 ? seconds : (0.7 * SecondsPerRank) + (0.3 * seconds);
    }
}

/// <summary>A worker node as the coordinator sees it.</summary>
public sealed class Worker
{
    /// <summary>A worker that has just come.</summary>
    public Worker(WorkerHello hello)
    {
        Hello = hello;
        Devices = [.. hello.Devices.Select(d => new DeviceSlot(this, d))];
    }

    /// <summary>What it said last.</summary>
    public WorkerHello Hello { get; set; }

    /// <summary>Its devices.</summary>
    public IReadOnlyList<DeviceSlot> Devices { get; }

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

/// <summary>
/// The worker nodes of a run, in the order in which they came, and what their devices work on. Thousands of devices finish in every step: nothing here that
/// is done for each of them looks at all of them.
/// </summary>
public sealed class WorkerRoster
{
    private readonly Dictionary<NodeId, Worker> _workers = [];
    private readonly Dictionary<long, DeviceSlot> _working = [];
    private readonly SortedSet<DeviceSlot> _idle = new(Comparer<DeviceSlot>.Create((a, b) => a.Number.CompareTo(b.Number)));
    private int _devices;

    /// <summary>All known workers.</summary>
    public IReadOnlyCollection<Worker> Workers => _workers.Values;

    /// <summary>Workers that can be given work.</summary>
    public IEnumerable<Worker> Reachable => _workers.Values.Where(w => w.CanWork);

    /// <summary>Workers that are there, also those that are to go.</summary>
    private IEnumerable<Worker> Answering => _workers.Values.Where(w => w is { Unreachable: false, LinkLost: false, Silent: false });

    /// <summary>Devices that can be given work.</summary>
    public IEnumerable<DeviceSlot> Devices => Reachable.SelectMany(w => w.Devices);

    /// <summary>Devices that are there, also those that are to go.</summary>
    public IEnumerable<DeviceSlot> AnsweringDevices => Answering.SelectMany(w => w.Devices);

    /// <summary>Devices of all known workers.</summary>
    public IEnumerable<DeviceSlot> AllDevices => _workers.Values.SelectMany(w => w.Devices);

    /// <summary>Adds or refreshes a worker; true when it is new.</summary>
    public bool Update(WorkerHello hello)
    {
        if (_workers.TryGetValue(hello.Node, out var known))
        {
            known.Hello = hello;
            return false;
        }
        var worker = new Worker(hello);
        _workers.Add(hello.Node, worker);
        foreach (var device in worker.Devices)
        {
            device.Number = _devices++;
            _idle.Add(device);
        }
        return true;
    }

    /// <summary>The worker of a node; null if it is not known.</summary>
    public Worker? Find(NodeId node) => _workers.GetValueOrDefault(node);

    /// <summary>The worker at a cluster address and incarnation; null if there is none.</summary>
    public Worker? Find(string address, int uid) => _workers.Values.FirstOrDefault(w => w.Hello.Node.Address == address && w.Hello.Node.Uid == uid);

    /// <summary>Devices without a grant that can be given work, as they are now, in the order in which they came.</summary>
    public IReadOnlyList<DeviceSlot> Idle => [.. _idle.Where(d => d.Worker.CanWork)];

    /// <summary>A device begins to work on a grant.</summary>
    public void Give(DeviceSlot device, GrantRanks grant, DateTime now)
    {
        device.Begin(grant, now);
        _working[grant.GrantId] = device;
        _idle.Remove(device);
    }

    /// <summary>Frees the device of a grant; null if nobody works on it any more.</summary>
    public DeviceSlot? TakeBack(long grantId)
    {
        if (!_working.TryGetValue(grantId, out var device)) return null;
        TakeBack(device);
        return device;
    }

    /// <summary>Frees a device.</summary>
    public void TakeBack(DeviceSlot device)
    {
        if (device.Grant is not { } grant) return;
        device.End();
        _working.Remove(grant.GrantId);
        if (Find(device.Worker.Hello.Node) == device.Worker) _idle.Add(device);
    }

    /// <summary>Frees all devices.</summary>
    public void TakeBackAll()
    {
        foreach (var device in _working.Values.ToList()) TakeBack(device);
    }

    /// <summary>Forgets a node; null if it was not known. What its devices work on is still to be taken back.</summary>
    public Worker? Remove(NodeId node)
    {
        if (!_workers.Remove(node, out var worker)) return null;
        foreach (var device in worker.Devices) _idle.Remove(device);
        return worker;
    }

    /// <summary>A held replica; null if no node has reported it.</summary>
    public HeldReplica? Holder(ReplicaPlacement placement) =>
        Find(placement.Node)?.Hello.Replicas.FirstOrDefault(r => r.Shard == placement.Shard && r.Replica == placement.Replica);
}
