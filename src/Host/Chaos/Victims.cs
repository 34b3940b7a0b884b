using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Chaos;

/// <summary>Finds the processes of one run, started by its own <c>train</c>, and sends them signals. Never touches any other.</summary>
/// <param name="directory">The run's folder.</param>
internal sealed class Victims(string directory)
{
    private const string Seed = "lighthouse";

    /// <summary>Everything of this run that lives, without its launcher.</summary>
    public IReadOnlyList<(string Name, ProcessIdentity Process)> Live() => PidFile.Live(directory);

    /// <summary>The process that a fault strikes now; null while there is none (it is being started, say).</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="coordinator">Process number of the coordinator.</param>
    public (string Name, ProcessIdentity Process)? Choose(PlannedFault fault, int? coordinator)
    {
        var live = Live();
        var candidates = live.Where(p => fault.Kind switch
        {
            FaultKind.Worker => p.Name != Seed && p.Process.Pid != coordinator,
            FaultKind.Coordinator => p.Process.Pid == coordinator,
            FaultKind.Lighthouse => p.Name == Seed,
            _ => true,
        }).ToList();
        return candidates.Count == 0 ? null : candidates[(int)(fault.Roll * candidates.Count)];
    }

    /// <summary>Sends a signal to a process if it is still the one that was found.</summary>
    public static void Send(ProcessIdentity process, int signal)
    {
        if (process.IsAlive) Signals.Send(process.Pid, signal);
    }

    /// <summary>Kills everything of this run, also what is stopped.</summary>
    public void KillAll()
    {
        foreach (var (_, process) in Live()) Send(process, Signals.Kill9);
    }

    /// <summary>A process in words.</summary>
    public static string Describe((string Name, ProcessIdentity Process) victim) =>
        string.Create(CultureInfo.InvariantCulture, $"{victim.Name} (process {victim.Process.Pid})");
}
