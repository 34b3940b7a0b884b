using System.Collections.Concurrent;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests;

/// <summary>What many schedules came to.</summary>
/// <param name="Outcomes">Of those that held.</param>
/// <param name="Failures">The others, by seed.</param>
public sealed record CampaignReport(IReadOnlyCollection<Outcome> Outcomes, IReadOnlyList<(ulong Seed, Exception Failure)> Failures)
{
    /// <summary>In a few lines.</summary>
    public string Summary(TimeSpan took)
    {
        if (Outcomes.Count == 0) return $"0 schedules held, {Failures.Count} failed";
        var recoveries = Outcomes.Select(o => o.Recovery.TotalSeconds).Order().ToList();
        return $"""
            {Outcomes.Count + Failures.Count} schedules in {took.TotalSeconds:f1} s ({(Outcomes.Count + Failures.Count) / took.TotalMinutes:f0} a minute), {Failures.Count} failed
            virtual time {TimeSpan.FromSeconds(Outcomes.Sum(o => o.Time.TotalSeconds)).TotalHours:f1} h, {Outcomes.Sum(o => o.Events):n0} events, {Outcomes.Sum(o => o.Messages):n0} control messages
            {Outcomes.Sum(o => o.Strikes):n0} faults struck, {Outcomes.Sum(o => o.Terms):n0} terms, {Outcomes.Sum(o => o.Placements):n0} placements, {Outcomes.Sum(o => o.Corruptions):n0} wrong computations named in {Outcomes.Count(o => o.Corruptions > 0)} schedules, {Outcomes.Count(o => o.WasBlind)} left to a corrupt device alone, {Outcomes.Count(o => o.HasHalted)} halted as they should
            from the last fault to the end of the run: median {recoveries[recoveries.Count / 2]:f1} s, 99 % {recoveries[(int)(recoveries.Count * 0.99)]:f1} s, longest {recoveries[^1]:f1} s of virtual time
            """;
    }
}

/// <summary>Runs many schedules, each on one thread.</summary>
public static class Campaign
{
    /// <summary>Runs seeds from a first one on until there are enough or time is up.</summary>
    public static CampaignReport Run(ulong first, int count, TimeSpan time)
    {
        var until = System.Diagnostics.Stopwatch.StartNew();
        var outcomes = new ConcurrentBag<Outcome>();
        var failures = new ConcurrentDictionary<ulong, Exception>();
        Parallel.For(0L, count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, (i, loop) =>
        {
            if (until.Elapsed > time)
            {
                loop.Stop();
                return;
            }
            ulong seed = first + (ulong)i;
            try
            {
                using var simulation = new Simulation(Scenario.Of(seed));
                outcomes.Add(simulation.Run());
            }
            catch (Exception failure)
            {
                failures[seed] = failure;
            }
        });
        return new CampaignReport(outcomes, [.. failures.OrderBy(f => f.Key).Select(f => (f.Key, f.Value))]);
    }

    /// <summary>How to see a seed again.</summary>
    public static string Command(ulong seed) => $"dotnet run --project tests/Simulation.Tests -c Release -- seed {seed} --trace";
}
