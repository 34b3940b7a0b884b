using ElasticTrain.Core;
using ElasticTrain.Membership;

namespace ElasticTrain.Host.Launching;

/// <summary>What <c>train --nodes N</c> starts.</summary>
/// <param name="RunDirectory">The run's folder.</param>
/// <param name="Nodes">Worker processes, 1 or more.</param>
/// <param name="PlanFile">The plan, passed to each node.</param>
/// <param name="ExtraArguments">Passed to each node as they are (<c>--steps</c>, <c>--set</c>, ...).</param>
/// <param name="RestartAfter">How long after its end a dead process is started again; null: never.</param>
/// <param name="ClusterPort">The Lighthouse's port, or the first free one above it.</param>
public sealed record LaunchOptions(
    string RunDirectory,
    int Nodes,
    string PlanFile,
    IReadOnlyList<string> ExtraArguments,
    TimeSpan? RestartAfter,
    int ClusterPort = ClusterDefaults.SeedPort)
{
    /// <summary>How long nodes that were asked to stop may take to save before they are killed.</summary>
    public TimeSpan PreemptionGrace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the other nodes may take to end once one has said that the run is finished.</summary>
    public TimeSpan FinishGrace { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The program that is run as <c>node</c>: this one.</summary>
    public Executable Program { get; init; } = Executables.ElasticTrain();

    /// <summary>Where the members write whom they put out of the cluster; nodes know it from the plan, the Lighthouse is told.</summary>
    public LedgerSettings? Ledger { get; init; }

    /// <summary>The seed node's program; null looks for it beside this one.</summary>
    public Executable? Lighthouse { get; init; }
}
