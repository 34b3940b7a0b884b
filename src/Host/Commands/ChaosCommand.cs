using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;
using ElasticTrain.Host.Chaos;

namespace ElasticTrain.Host.Commands;

/// <summary><c>chaos</c>: kills a plan's runs again and again, and shows that not a bit of the result changes.</summary>
public static class ChaosCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var plan = new Argument<string>("PLAN") { Description = "the plan, for example hocon/plans/tiny.conf" };
        var directory = new Option<string>("--run-dir") { Description = "a new or empty folder: every run gets a folder in it", HelpName = "DIR", Required = true };
        var nodes = new Option<int>("--nodes") { Description = "node processes of each run", DefaultValueFactory = _ => 3, HelpName = "N" };
        var kills = new Option<int>("--kills") { Description = "faults of each kind", DefaultValueFactory = _ => 10, HelpName = "N" };
        var kinds = new Option<string[]>("--kind") { Description = $"only this kind of fault; may be repeated: {string.Join(", ", Names)}", HelpName = "KIND", AllowMultipleArgumentsPerToken = true };
        var seed = new Option<int?>("--seed") { Description = "where the random moments come from (default: the clock; it is printed)", HelpName = "S" };
        var patience = new Option<double>("--patience") { Description = "a run whose journal is silent for so long is stuck", DefaultValueFactory = _ => 120, HelpName = "SECONDS" };
        var steps = CommonOptions.Steps();
        var sets = CommonOptions.Sets();
        var command = new Command(
            "chaos",
            "Run a plan undisturbed, then with processes killed and stopped at random moments, and compare: the digests must be equal. Only processes that this command has started are touched.")
        {
            plan, directory, nodes, kills, kinds, seed, steps, patience, sets,
        };
        command.SetAction(async (parsed, _) =>
        {
            string[] given = parsed.GetValue(sets) ?? [];
            string file = parsed.GetRequiredValue(plan);
            var loaded = Plan.Load(file, CommonOptions.Pairs(given));
            var options = new ChaosOptions(
                loaded, Path.GetFullPath(file), given, Empty(parsed.GetRequiredValue(directory)), AtLeastOne("--nodes", parsed.GetValue(nodes)),
                AtLeastOne("--kills", parsed.GetValue(kills)), Kinds(parsed.GetValue(kinds)), parsed.GetValue(seed) ?? Environment.TickCount & 0xFFFFFF,
                CommonOptions.CheckSteps(parsed.GetValue(steps)) ?? loaded.TotalSteps, TimeSpan.FromSeconds(parsed.GetValue(patience)));
            if (OperatingSystem.IsWindows()) throw new BadInputException("chaos", "Windows", "a system with Unix signals");
            return await RunAsync(options).ConfigureAwait(false);
        });
        return command;
    }

    private static string[] Names => [.. Enum.GetNames<FaultKind>().Select(name => name.ToLowerInvariant())];

    private static async Task<int> RunAsync(ChaosOptions options)
    {
        System.Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"chaos: seed {options.Seed}; {options.Faults} faults of each kind, {options.Nodes} nodes"));
        using var interrupt = new CancellationTokenSource();
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Interrupt(c, interrupt));
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Interrupt(c, interrupt));
        try
        {
            return await new ChaosSession(options, System.Console.WriteLine).RunAsync(interrupt.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            System.Console.WriteLine("interrupted; everything that was started is killed");
            return 130;
        }
    }

    private static void Interrupt(PosixSignalContext context, CancellationTokenSource source)
    {
        context.Cancel = true;
        source.Cancel();
    }

    private static IReadOnlyList<FaultKind> Kinds(string[]? given)
    {
        if (given is not { Length: > 0 }) return Enum.GetValues<FaultKind>();
        return [.. given.Select(name => Array.IndexOf(Names, name.ToLowerInvariant()) is >= 0 and var i ? (FaultKind)i
            : throw new BadInputException("--kind", $"'{name}'", string.Join(", ", Names))).Distinct()];
    }

    private static string Empty(string directory)
    {
        directory = Path.GetFullPath(directory);
        if (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any())
            throw new BadInputException($"--run-dir {directory}", "a folder with something in it", "a new or empty one");
        Directory.CreateDirectory(directory);
        return directory;
    }

    private static int AtLeastOne(string option, int value) => value >= 1 ? value : throw new BadInputException(option, $"{value}", "1 or more");
}
