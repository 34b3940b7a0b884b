using System.Globalization;
using System.Text;

namespace ElasticTrain.Host.Chaos;

/// <summary>What happens to which run and when: a pure function of seed, kind and the run's number.</summary>
internal static class ChaosSchedule
{
    /// <summary>The most faults that one run is given: enough steps between them to recover.</summary>
    /// <param name="steps">Steps of a run.</param>
    public static int FaultsPerRun(long steps) => (int)Math.Clamp(steps / 8, 1, 5);

    /// <summary>Names as they are typed: <c>four-of-five</c>.</summary>
    public static string Name<T>(T value) where T : struct, Enum
    {
        var name = new StringBuilder();
        foreach (char letter in value.ToString())
        {
            if (char.IsUpper(letter) && name.Length > 0) name.Append('-');
            name.Append(char.ToLowerInvariant(letter));
        }
        return name.ToString();
    }

    /// <summary>The faults of one run, by step.</summary>
    /// <param name="seed">Everything random follows from it.</param>
    /// <param name="kind">The kind.</param>
    /// <param name="run">Which of the kind's runs, from 0.</param>
    /// <param name="steps">The run's total.</param>
    /// <param name="count">How many, at most.</param>
    public static IReadOnlyList<PlannedFault> Plan(int seed, FaultKind kind, int run, long steps, int count)
    {
        int most = FaultsPerRun(steps);
        var random = new Random(unchecked((((seed * 31) + (int)kind) * 1009) + run));
        long[] at = [.. Enumerable.Range(0, most).Select(_ => random.NextInt64(0, Math.Max(1, steps - 3))).Order()];
        var moments = Enum.GetValues<Moment>();
        // A run that has only a few faults left to strike has the first ones of its schedule.
        return [.. at.Select((step, i) => new PlannedFault(
            kind, step, random.NextDouble() * 1.5, random.NextDouble(), Lasts(kind, random.NextDouble()), moments[((run * most) + i) % moments.Length], random.Next())).ToList().Take(count)];
    }

    /// <summary>The first runs of each kind, as far as they are needed if every fault finds its victim.</summary>
    public static IEnumerable<string> Lines(int seed, IReadOnlyList<FaultKind> kinds, int faults, long steps)
    {
        foreach (var kind in kinds)
        {
            int left = faults;
            for (int run = 0; left > 0; run++)
            {
                foreach (var fault in Plan(seed, kind, run, steps, left))
                {
                    left--;
                    string lasts = fault.Lasts > TimeSpan.Zero ? string.Create(CultureInfo.InvariantCulture, $", lasts {fault.Lasts.TotalSeconds:0.0} s") : "";
                    string moment = kind == FaultKind.Phase ? $", at the next {fault.Moment}" : "";
                    yield return string.Create(CultureInfo.InvariantCulture, $"{Name(kind)}-{run + 1}: {fault.Delay:0.00} of a step after step {fault.AfterStep}, victim {fault.Roll:0.00}{lasts}{moment}");
                }
            }
        }
    }

    private static TimeSpan Lasts(FaultKind kind, double roll) => kind switch
    {
        FaultKind.Pause => TimeSpan.FromSeconds(0.2 + (roll * 7)),
        // A second coordinator is in office after 2 s of silence, and the first one is put out of the cluster some 2 s after that.
        FaultKind.PauseCoordinator => TimeSpan.FromSeconds(2.5 + (roll * 6)),
        FaultKind.Slow => TimeSpan.FromSeconds(2 + (roll * 3)),
        FaultKind.Storm => TimeSpan.FromSeconds(5 + (roll * 5)),
        FaultKind.OneWay or FaultKind.Partition => TimeSpan.FromSeconds(0.5 + (roll * 7)),
        _ => TimeSpan.Zero,
    };
}
