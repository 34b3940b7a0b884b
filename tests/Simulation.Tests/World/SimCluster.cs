using ElasticTrain.Actors.Runs;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>Membership: a node that the Lighthouse's side does not hear is called unreachable after some two seconds and put out two seconds later; every process learns of it in its own time.</summary>
public sealed class SimCluster(Simulation sim)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250), Silence = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(4);

    private readonly List<SimProcess> _members = [];
    private readonly Dictionary<SimProcess, TimeSpan> _told = [];

    /// <summary>Begins to listen.</summary>
    public void Start() => sim.Scheduler.Every(Look, () =>
    {
        foreach (var member in _members.ToList()) Listen(member);
        return true;
    });

    /// <summary>A process has started: it becomes a member soon, and its predecessor is put out if it has not been yet.</summary>
    public void Join(SimProcess process) => process.Post(sim.Random.Milliseconds(100, 1500), () =>
    {
        if (IsDeaf(process) && !sim.Injector.IsOver)
        {
            Join(process);
            return;
        }
        foreach (var old in _members.Where(m => m.Slot == process.Slot).ToList()) Remove(old);
        foreach (var member in _members) process.Hear(member.Id, null);
        _members.Add(process);
        process.HasJoined = true;
        Tell(process, null);
    });

    /// <summary>A living node is taken for unreachable, and back.</summary>
    public void Suspect(SimProcess process, TimeSpan time)
    {
        if (!_members.Contains(process)) return;
        Tell(process, MembershipChange.Unreachable);
        sim.Scheduler.After(time, () =>
        {
            if (_members.Contains(process)) Tell(process, MembershipChange.Reachable);
        });
    }

    /// <summary>A node is put out; its process, if it lives, hears of it later and ends.</summary>
    public void Down(SimProcess process, TimeSpan until)
    {
        if (!_members.Contains(process)) return;
        Remove(process);
        process.IsDowned = true;
        sim.Scheduler.After(until, () => process.Post(TimeSpan.Zero, () => sim.Kill(process)));
    }

    private bool IsDeaf(SimProcess process) =>
        !process.IsAlive || process.IsPaused || !sim.Network.Reaches(process.Slot, sim.Scenario.Nodes) || !sim.Network.Reaches(sim.Scenario.Nodes, process.Slot);

    private void Listen(SimProcess process)
    {
        if (!IsDeaf(process))
        {
            if (process.IsUnreachable) Tell(process, MembershipChange.Reachable);
            (process.UnheardSince, process.IsUnreachable) = (null, false);
            return;
        }
        process.UnheardSince ??= sim.Scheduler.Now;
        var silence = sim.Scheduler.Now - process.UnheardSince.Value;
        if (silence > Patience) Down(process, TimeSpan.FromSeconds(2));
        else if (silence > Silence && !process.IsUnreachable)
        {
            process.IsUnreachable = true;
            Tell(process, MembershipChange.Unreachable);
        }
    }

    private void Remove(SimProcess process)
    {
        _members.Remove(process);
        Tell(process, MembershipChange.Gone);
    }

    private void Tell(SimProcess about, MembershipChange? change)
    {
        if (change is not null) sim.Trace?.Invoke($"cluster: {about.Label} {change}");
        foreach (var process in sim.Processes)
        {
            if (process == about && change is not null) continue;
            var delay = sim.Random.Milliseconds(0, 250);
            if (sim.Scenario.Faults.LateMembership && !sim.Injector.IsOver && sim.Random.Chance(0.3)) delay += sim.Random.Milliseconds(0, 6000);
            // A process hears the news late, but in their order: they are changes of its own view.
            var at = sim.Scheduler.Now + delay;
            if (_told.TryGetValue(process, out var last) && last > at) at = last;
            _told[process] = at;
            process.Post(at - sim.Scheduler.Now, () => process.Hear(about.Id, change));
        }
    }
}
