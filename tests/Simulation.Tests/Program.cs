using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests;

/// <summary>The command line: one seed with a trace, or many.</summary>
public static class Program
{
    private const string Usage = """
        dotnet run --project tests/Simulation.Tests -c Release -- seed S [--trace]             one schedule
        dotnet run --project tests/Simulation.Tests -c Release -- runs N [FIRST [SECONDS]]   N schedules with the seeds FIRST (default 1), FIRST + 1, ..., or as many as SECONDS allow
        """;

    /// <summary>0 if everything held, 1 if not, 2 for bad usage.</summary>
    public static int Main(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        if (args is ["seed", var one, ..] && ulong.TryParse(one, out ulong seed)) return One(seed, args.Contains("--trace"));
        var (first, seconds) = (1UL, int.MaxValue);
        if (args is ["runs", var many, ..] && int.TryParse(many, out int count)
            && (args.Length < 3 || ulong.TryParse(args[2], out first)) && (args.Length < 4 || int.TryParse(args[3], out seconds)))
            return Many(first, count, TimeSpan.FromSeconds(seconds));
        Console.Error.WriteLine(Usage);
        return 2;
    }

    private static int One(ulong seed, bool trace)
    {
        var scenario = Scenario.Of(seed);
        Console.WriteLine($"seed {seed}: {scenario.Nodes} nodes, {scenario.Devices} devices each, {scenario.Layout.Shards.Count} shards, V = {scenario.VirtualRanks}, {scenario.Steps} steps, {scenario.Plan.Elastic}, {scenario.Plan.Checkpoint}");
        Console.WriteLine($"{scenario.Faults} {string.Join(' ', scenario.Faults.Kinds)}");
        try
        {
            using var simulation = new Simulation(scenario, trace ? Console.WriteLine : null);
            Console.WriteLine(simulation.Run());
            return 0;
        }
        catch (Exception failure)
        {
            Console.WriteLine($"FAILED: {failure}");
            return 1;
        }
    }

    private static int Many(ulong first, int count, TimeSpan time)
    {
        var clock = Stopwatch.StartNew();
        var report = Campaign.Run(first, count, time);
        Console.WriteLine(report.Summary(clock.Elapsed));
        foreach (var (seed, failure) in report.Failures.Take(50)) Console.WriteLine($"seed {seed}: {failure.Message}");
        return report.Failures.Count == 0 ? 0 : 1;
    }
}
