using ElasticTrain.Actors.Plans;

namespace ElasticTrain.Host.Chaos;

/// <summary>What is asked of the chaos command.</summary>
/// <param name="Plan">The plan, with its settings.</param>
/// <param name="PlanFile">Its file, absolute.</param>
/// <param name="Sets">Settings over the file's, as given.</param>
/// <param name="Directory">Where the runs' folders go, absolute.</param>
/// <param name="Nodes">Node processes of a run.</param>
/// <param name="Faults">Faults of each kind.</param>
/// <param name="Kinds">Which kinds.</param>
/// <param name="Seed">Everything random follows from it.</param>
/// <param name="Steps">Each run's total.</param>
/// <param name="RestartAfter">How long after its end a node is started again.</param>
/// <param name="Bound">With enough workers alive a step is committed within this time, or <c>status</c> says why not.</param>
/// <param name="Patience">A run without a journaled event for this long hangs.</param>
internal sealed record ChaosOptions(
    Plan Plan, string PlanFile, IReadOnlyList<string> Sets, string Directory, int Nodes, int Faults, IReadOnlyList<FaultKind> Kinds, int Seed, long Steps,
    TimeSpan RestartAfter, TimeSpan Bound, TimeSpan Patience)
{
    /// <summary>Where the runs' processes put temporary files: what is left there at the end, they have leaked.</summary>
    public required string TemporaryFolder { get; init; }

    /// <summary>Node processes of a run of a kind; null: one process without a Lighthouse.</summary>
    public int? NodesOf(FaultKind kind) => kind switch
    {
        FaultKind.SingleProcess => null,
        FaultKind.FourOfFive => Math.Max(5, Nodes),
        _ => Nodes,
    };
}
