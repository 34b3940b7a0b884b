using System.Globalization;

namespace ElasticTrain.Host.Chaos;

/// <summary>What came of all faults of one kind.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Runs">Runs that were disturbed so.</param>
/// <param name="Times">Time to the next committed step of each fault that had one.</param>
/// <param name="Faults">All faults.</param>
/// <param name="Wrong">Runs that ended wrongly, differ from the reference, or whose journal breaks a rule.</param>
internal sealed record KindResult(FaultKind Kind, int Runs, int Faults, IReadOnlyList<TimeSpan> Times, int Wrong);

/// <summary>The table at the end.</summary>
internal static class ChaosReport
{
    /// <summary>One line per kind.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<KindResult> results)
    {
        yield return "kind            runs  faults  median to next commit  longest  bits equal";
        foreach (var result in results)
        {
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{result.Kind,-14} {result.Runs,5} {result.Faults,7}  {Seconds(Median(result.Times)),21}  {Seconds(result.Times.Count == 0 ? null : result.Times.Max()),7}  {(result.Wrong == 0 ? "yes" : $"NO ({result.Wrong} runs)")}");
        }
    }

    private static TimeSpan? Median(IReadOnlyList<TimeSpan> times) => times.Count == 0 ? null : times.Order().ElementAt((times.Count - 1) / 2);

    private static string Seconds(TimeSpan? time) => time is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value.TotalSeconds:0.00} s") : "-";
}
