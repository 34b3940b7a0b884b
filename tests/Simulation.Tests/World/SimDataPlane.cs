using ElasticTrain.Actors.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>
/// The data plane: requests with an answer, an error, or neither until a time-out, as its connections break. What a server does with a frame is the real
/// <see cref="ElasticTrain.Actors.Shards.ReplicaDirectory"/>.
/// </summary>
public sealed class SimDataPlane(Simulation sim)
{
    private readonly HashSet<(int From, int To)> _cuts = [];
    private readonly List<(SimCoordinator Watcher, SimProcess Target)> _links = [];
    private readonly List<(int From, int To, Action Frame)> _stalled = [];

    /// <summary>Share of requests that are cut before or after they are served; set to 0 when faults end.</summary>
    public double Cuts { get; set; }

    /// <summary>Share of contributions that come twice.</summary>
    public double Repeat { get; set; }

    /// <summary>Share of requests that are late.</summary>
    public double Late { get; set; }

    /// <summary>Cuts one direction between two machines, or mends it.</summary>
    public void Cut(int from, int to, bool isCut)
    {
        if (isCut) _cuts.Add((from, to));
        else if (_cuts.Remove((from, to))) Unstall();
        if (isCut) sim.Scheduler.After(sim.Random.Milliseconds(9000, 15_000), () => BreakCut(from, to));
    }

    /// <summary>Mends everything.</summary>
    public void Heal()
    {
        _cuts.Clear();
        (Cuts, Repeat, Late) = (0, 0, 0);
        Unstall();
    }

    /// <summary>A frame's header.</summary>
    public FrameHeader Header(FrameKind kind, Lineage lineage, ShardId shard, ReplicaId replica, RankRange block) =>
        new(kind, 1, sim.Facts.Run, lineage, shard, replica, block, ElementType.Float32, 0, default);

    /// <summary>Asks another process's tensor server, or this one's own.</summary>
    /// <param name="from">Who asks.</param>
    /// <param name="endpoint">Whom.</param>
    /// <param name="header">What for.</param>
    /// <param name="payload">With what.</param>
    /// <param name="isLong">A long poll: it may wait at the server.</param>
    /// <param name="done">The error or the values, and their version where the request named none. Called once, if the process that asks lives.</param>
    public void Request(SimProcess from, string endpoint, FrameHeader header, float[] payload, bool isLong, Action<Exception?, float[], Lineage?> done)
    {
        if (sim.ProcessAt(endpoint) is not { } to) throw new SimulationFailure($"{endpoint} never was");
        var request = new Exchange(sim, from, to, header, payload, done);
        if (to == from)
        {
            request.Serve(TimeSpan.Zero);
            return;
        }
        if (!isLong) from.Post(sim.Random.Milliseconds(9000, 15_000), () => request.Break("it does not answer"));
        if (!to.IsAlive)
        {
            from.Post(sim.Random.Milliseconds(0.2, 20), () => request.Break("connection refused"));
            return;
        }
        sim.Exchanges.Add(request);
        var delay = sim.Random.Milliseconds(0.1, header.Kind == FrameKind.PullState ? 200 : 3);
        if (sim.Random.Chance(Late)) delay += sim.Random.Milliseconds(1, 3000);
        bool isCut = sim.Random.Chance(Cuts), isServed = sim.Random.Chance(0.5);
        if (isCut) from.Post(delay * 2, () => request.Break("connection reset"));
        if (isCut && !isServed) return;
        var again = header.Kind is FrameKind.Contribution or FrameKind.Marker && sim.Random.Chance(Repeat) ? sim.Random.Milliseconds(0, 3000) : (TimeSpan?)null;
        Through(from, to, () =>
        {
            to.Post(delay, () => request.Serve(sim.Random.Milliseconds(0.1, 3)));
            if (again is { } later) to.Post(delay + later, () => request.Serve(sim.Random.Milliseconds(0.1, 3)));
        });
    }

    /// <summary>Sends a frame now, or when the way is mended: TCP repeats what is not acknowledged until somebody gives the connection up.</summary>
    public void Through(SimProcess from, SimProcess to, Action frame)
    {
        if (Reaches(from.Slot, to.Slot)) frame();
        else _stalled.Add((from.Slot, to.Slot, frame));
    }

    /// <summary>Whether frames from one machine to another arrive.</summary>
    public bool Reaches(int from, int to) => !_cuts.Contains((from, to));

    /// <summary>A coordinator wants to know of a node's end.</summary>
    public void Watch(SimCoordinator watcher, NodeId node, string endpoint)
    {
        var target = sim.ProcessAt(endpoint);
        bool reaches = Reaches(watcher.Process.Slot, target!.Slot) && Reaches(target.Slot, watcher.Process.Slot);
        watcher.Process.Post(reaches ? sim.Random.Milliseconds(0.2, 5) : TimeSpan.FromSeconds(10), () =>
        {
            bool isUp = reaches && target.IsAlive;
            if (isUp) _links.Add((watcher, target));
            watcher.OnLink(node, isUp);
        });
    }

    /// <summary>
    /// A coordinator asks whether a node still listens. A later life on the same machine answers in its place; a firewall may refuse in the name of a
    /// node that lives.
    /// </summary>
    public void Probe(SimCoordinator asker, NodeId node)
    {
        int slot = sim.SlotOf(node);
        bool reaches = Reaches(asker.Process.Slot, slot) && Reaches(slot, asker.Process.Slot);
        if (!reaches && !(Cuts > 0 && sim.Random.Chance(0.1))) return;
        asker.Process.Post(sim.Random.Milliseconds(0.2, 20), () =>
        {
            if (!reaches || !sim.Processes.Any(p => p.Slot == slot)) asker.OnGone(node);
        });
    }

    /// <summary>The connections to a process break: because it is gone, or for no reason.</summary>
    public void Reset(SimProcess target, bool isDead)
    {
        foreach (var link in _links.Where(l => l.Target == target).ToList())
        {
            _links.Remove(link);
            Tell(link.Watcher, target, isDead);
        }
        foreach (var process in sim.Processes.Where(p => p != target && Reaches(target.Slot, p.Slot) && (isDead || sim.Random.Chance(0.5))))
            process.Post(sim.Random.Milliseconds(0.1, 20), () => process.Succession.OnLinkBroken(target.Id, isDead));
        foreach (var exchange in sim.Exchanges.Where(e => e.To == target).ToList())
        {
            sim.Exchanges.Remove(exchange);
            var delay = Reaches(target.Slot, exchange.From.Slot) ? sim.Random.Milliseconds(0.1, 20) : sim.Random.Milliseconds(9000, 15_000);
            exchange.From.Post(delay, () => exchange.Break("connection reset"));
        }
    }

    private void Unstall()
    {
        foreach (var frame in _stalled.Where(f => Reaches(f.From, f.To)).ToList())
        {
            _stalled.Remove(frame);
            frame.Frame();
        }
    }

    /// <summary>What hangs on a cut direction breaks at last.</summary>
    private void BreakCut(int from, int to)
    {
        if (Reaches(from, to)) return;
        foreach (var link in _links.Where(l => (l.Watcher.Process.Slot, l.Target.Slot) == (from, to) || (l.Target.Slot, l.Watcher.Process.Slot) == (from, to)).ToList())
        {
            _links.Remove(link);
            link.Watcher.Process.Post(TimeSpan.Zero, () => link.Watcher.OnLink(link.Target.Id, isUp: false));
        }
        foreach (var exchange in sim.Exchanges.Where(e => (e.From.Slot, e.To.Slot) == (from, to) || (e.To.Slot, e.From.Slot) == (from, to)).ToList())
        {
            sim.Exchanges.Remove(exchange);
            exchange.From.Post(TimeSpan.Zero, () => exchange.Break("it does not answer"));
        }
    }

    private void Tell(SimCoordinator watcher, SimProcess target, bool isDead)
    {
        var delay = Reaches(target.Slot, watcher.Process.Slot) ? sim.Random.Milliseconds(0.1, 20) : sim.Random.Milliseconds(9000, 15_000);
        watcher.Process.Post(delay, () => watcher.OnLink(target.Id, isUp: false));
    }
}
