using System.Globalization;

namespace ElasticTrain.Host.Chaos;

/// <summary>What came of all faults of one kind.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Runs">Runs that were disturbed so.</param>
/// <param name="Faults">All faults.</param>
/// <param name="Times">Time to the next committed step of each fault that had one.</param>
/// <param name="Wrong">Runs that ended wrongly, differ from the reference, or broke a rule.</param>
internal sealed record KindResult(FaultKind Kind, int Runs, int Faults, IReadOnlyList<TimeSpan> Times, int Wrong)
{
    /// <summary>The longest time between two committed steps while a fault lasted and right after it.</summary>
    public TimeSpan? Standstill { get; init; }

    /// <summary>Committed steps that were computed again.</summary>
    public long Replayed { get; init; }

    /// <summary>Processes that ended although nothing was done to them.</summary>
    public int SurvivorsLost { get; init; }

    /// <summary>Times at which nothing was committed within the bound and <c>status</c> said why.</summary>
    public int Explained { get; init; }

    /// <summary>The most that the memory of a surviving node grew by, in bytes; null if none lived long enough to say.</summary>
    public long? Growth { get; init; }
}

/// <summary>The table at the end.</summary>
internal static class ChaosReport
{
    /// <summary>One line per kind.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<KindResult> results)
    {
        yield return "kind                    runs  faults  median to next commit  longest  standstill  replayed  waits  survivors lost  memory growth  bits equal";
        foreach (var result in results)
        {
            string growth = result.Growth is { } bytes ? $"{bytes >> 20} MiB" : "-";
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{ChaosSchedule.Name(result.Kind),-22} {result.Runs,5} {result.Faults,7}  {Seconds(Median(result.Times)),21}  {Seconds(result.Times.Count == 0 ? null : result.Times.Max()),7}  {Seconds(result.Standstill),10}  {result.Replayed,8}  {result.Explained,5}  {result.SurvivorsLost,14}  {growth,13}  {(result.Wrong == 0 ? "yes" : $"NO ({result.Wrong} runs)")}");
        }
    }

    private static TimeSpan? Median(IReadOnlyList<TimeSpan> times) => times.Count == 0 ? null : times.Order().ElementAt((times.Count - 1) / 2);

    private static string Seconds(TimeSpan? time) => time is { } value ? string.Create(CultureInfo.InvariantCulture, $"{value.TotalSeconds:0.00} s") : "-";
}
