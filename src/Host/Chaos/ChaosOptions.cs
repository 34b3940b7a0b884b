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
/// <param name="Patience">A run without a journaled event for this long hangs.</param>
internal sealed record ChaosOptions(
    Plan Plan, string PlanFile, IReadOnlyList<string> Sets, string Directory, int Nodes, int Faults, IReadOnlyList<FaultKind> Kinds, int Seed, long Steps, TimeSpan Patience)
{
    /// <summary>The most faults that one run is given: enough steps between them to recover.</summary>
    public int FaultsPerRun => (int)Math.Clamp(Steps / 8, 1, 5);
}
