using Akka.Actor;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>
/// The control plane between processes: at most once, in order from one process to another; unless the faults lose, repeat, delay and reorder. Inside a
/// process nothing is lost.
/// </summary>
public sealed class SimNetwork(Simulation sim)
{
    private readonly Dictionary<(SimProcess, SimProcess), TimeSpan> _lastArrival = [];
    private readonly HashSet<(int From, int To)> _cuts = [];

    /// <summary>Share of messages that are lost; set to 0 when faults end.</summary>
    public double Loss { get; set; }

    /// <summary>Share of messages that come twice.</summary>
    public double Repeat { get; set; }

    /// <summary>Share of messages that are late.</summary>
    public double Late { get; set; }

    /// <summary>Whether messages overtake each other.</summary>
    public bool Reorder { get; set; }

    /// <summary>Messages sent between processes.</summary>
    public long Count { get; private set; }

    /// <summary>Cuts one direction between two machines, or mends it.</summary>
    public void Cut(int from, int to, bool isCut)
    {
        if (isCut) _cuts.Add((from, to));
        else _cuts.Remove((from, to));
    }

    /// <summary>Mends everything.</summary>
    public void Heal()
    {
        _cuts.Clear();
        (Loss, Repeat, Late, Reorder) = (0, 0, 0, false);
    }

    /// <summary>Whether messages from one machine to another arrive.</summary>
    public bool Reaches(int from, int to) => !_cuts.Contains((from, to));

    /// <summary>Sends a message.</summary>
    public void Send(SimProcess from, IActorRef to, object message, IActorRef sender)
    {
        if (to is SimRef target) Send(from, target.Process, message, () => target.Deliver(message, sender), target.Name);
    }

    /// <summary>Sends a message to a replica's entity by its name.</summary>
    public void SendToEntity(SimProcess from, ReplicaPlacement placement, object message, IActorRef sender)
    {
        if (sim.ProcessOf(placement.Node) is { } process) Send(from, process, message, () => process.DeliverToEntity(placement, message, sender), $"entity {placement.Shard}~{placement.Replica}");
    }

    private void Send(SimProcess from, SimProcess to, object message, Action deliver, string name)
    {
        if (from == to)
        {
            to.Post(SimProcess.LocalDelay, Arrive);
            return;
        }
        Count++;
        if (!Reaches(from.Slot, to.Slot) || sim.Random.Chance(Loss))
        {
            if (sim.IsTracing(message)) sim.Trace!($"lost: {from.Label} -> {to.Label}/{name}: {Describe(message)}");
            return;
        }
        var delay = sim.Random.Milliseconds(0.1, 1);
        if (sim.Random.Chance(Late)) delay += sim.Random.Milliseconds(1, 2000);
        var arrival = sim.Scheduler.Now + delay;
        if (!Reorder)
        {
            if (_lastArrival.TryGetValue((from, to), out var last) && last > arrival) arrival = last;
            _lastArrival[(from, to)] = arrival;
        }
        to.Post(arrival - sim.Scheduler.Now, Arrive);
        if (sim.Random.Chance(Repeat)) to.Post(arrival - sim.Scheduler.Now + sim.Random.Milliseconds(0, 3000), Arrive);

        void Arrive()
        {
            if (sim.IsTracing(message)) sim.Trace!($"{from.Label} -> {to.Label}/{name}: {Describe(message)}");
            deliver();
        }
    }

    private static string Describe(object message)
    {
        string text = message.ToString() ?? "";
        return text.Length > 300 ? text[..300] : text;
    }
}
