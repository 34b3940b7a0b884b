using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Chaos;

/// <summary>A process of a run.</summary>
/// <param name="Name">Its name in the run.</param>
/// <param name="Process">The process.</param>
internal sealed record Victim(string Name, ProcessIdentity Process)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Name} (process {Process.Pid})");
}

/// <summary>Finds the processes of one run, started by its own <c>train</c> or for it, and sends them signals. Never touches any other.</summary>
/// <param name="directory">The run's folder.</param>
internal sealed class Victims(string directory)
{
    /// <summary>The Lighthouse's name.</summary>
    public const string Seed = "lighthouse";

    /// <summary>Everything of this run that lives, without its launcher.</summary>
    public IReadOnlyList<Victim> Live() => [.. PidFile.Live(directory).Select(p => new Victim(p.Name, p.Process))];

    /// <summary>Its nodes that live.</summary>
    public IReadOnlyList<Victim> Nodes() => [.. Live().Where(p => p.Name != Seed)];

    /// <summary>Sends a signal to a process if it is still the one that was found.</summary>
    public static void Send(ProcessIdentity process, int signal)
    {
        if (process.IsAlive) Signals.Send(process.Pid, signal);
    }

    /// <summary>Kills everything of this run, also what is stopped.</summary>
    public void KillAll()
    {
        foreach (var victim in Live()) Send(victim.Process, Signals.Kill9);
    }
}
