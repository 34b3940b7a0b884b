using System.Globalization;
using ElasticTrain.Actors.Runs;

namespace ElasticTrain.Host.Chaos;

/// <summary>With at least <c>min-workers</c> nodes alive a step is committed within a stated time, or the run says why not.</summary>
internal static class BoundedProgress
{
    /// <summary>Looks at a run that has committed nothing for that time.</summary>
    /// <param name="silence">For how long.</param>
    /// <param name="nodes">Nodes that live.</param>
    /// <param name="minWorkers">The plan's.</param>
    /// <param name="status">What <c>status</c> says; null if nobody answers.</param>
    /// <param name="reason">Why there is no status, if a node says so.</param>
    /// <returns>What is wrong; null if the run says why it waits, or has too few nodes to go on.</returns>
    public static string? Problem(TimeSpan silence, int nodes, int minWorkers, RunStatus? status, string? reason)
    {
        if (nodes < minWorkers || !string.IsNullOrEmpty(reason)) return null;
        // "running, step 7" is what it says while all is well: no reason for silence.
        if (status is not null && status.Detail.Length > 0 && status.Detail != $"step {status.Step + 1}") return null;
        string said = status is null ? "nobody answers" : $"it says '{status.State}, {status.Detail}'";
        return string.Create(CultureInfo.InvariantCulture, $"no step was committed for {silence.TotalSeconds:0} s with {nodes} nodes alive, and {said}");
    }
}
