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
        var kinds = new Option<string[]>("--kind") { Description = $"only this kind of fault; may be repeated: {string.Join(", ", Names)} or all", HelpName = "KIND", AllowMultipleArgumentsPerToken = true };
        var seed = new Option<int?>("--seed") { Description = "where the random moments come from (default: the clock; it is printed)", HelpName = "S" };
        var patience = new Option<double>("--patience") { Description = "a run whose journal is silent for so long is stuck", DefaultValueFactory = _ => 120, HelpName = "SECONDS" };
        var restartAfter = new Option<double>("--restart-after") { Description = "start a dead node again after so many seconds", DefaultValueFactory = _ => 1, HelpName = "SECONDS" };
        var bound = new Option<double>("--bound") { Description = "with enough nodes alive a step is committed within so long, or status must say why not", DefaultValueFactory = _ => 30, HelpName = "SECONDS" };
        var dryRun = new Option<bool>("--dry-run") { Description = "print the schedule and do nothing" };
        var steps = CommonOptions.Steps();
        var sets = CommonOptions.Sets();
        var command = new Command(
            "chaos",
            "Run a plan undisturbed, then with processes killed and stopped, links cut and disks filled at random moments, and compare: the digests must be equal. Only processes that this command has started are touched.")
        {
            plan, directory, nodes, kills, kinds, seed, steps, restartAfter, bound, patience, dryRun, sets,
        };
        command.SetAction(async (parsed, _) =>
        {
            string[] given = parsed.GetValue(sets) ?? [];
            string file = parsed.GetRequiredValue(plan);
            var loaded = Plan.Load(file, CommonOptions.Pairs(given));
            bool isDry = parsed.GetValue(dryRun);
            string where = parsed.GetRequiredValue(directory);
            var options = new ChaosOptions(
                loaded, Path.GetFullPath(file), given, isDry ? Path.GetFullPath(where) : Empty(where), AtLeastOne("--nodes", parsed.GetValue(nodes)),
                AtLeastOne("--kills", parsed.GetValue(kills)), Kinds(parsed.GetValue(kinds)), parsed.GetValue(seed) ?? Environment.TickCount & 0xFFFFFF,
                CommonOptions.CheckSteps(parsed.GetValue(steps)) ?? loaded.TotalSteps, TimeSpan.FromSeconds(parsed.GetValue(restartAfter)),
                TimeSpan.FromSeconds(parsed.GetValue(bound)), TimeSpan.FromSeconds(parsed.GetValue(patience)))
            { TemporaryFolder = "" };
            System.Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"chaos: seed {options.Seed}; {options.Faults} faults of each kind, {options.Nodes} nodes, {options.Steps} steps"));
            foreach (string line in ChaosSchedule.Lines(options.Seed, options.Kinds, options.Faults, options.Steps)) System.Console.WriteLine($"  {line}");
            if (isDry) return 0;
            if (OperatingSystem.IsWindows()) throw new BadInputException("chaos", "Windows", "a system with Unix signals");
            return await RunAsync(options).ConfigureAwait(false);
        });
        return command;
    }

    private static string[] Names => [.. Enum.GetValues<FaultKind>().Select(ChaosSchedule.Name)];

    private static async Task<int> RunAsync(ChaosOptions options)
    {
        // Short: the runtime's own sockets have paths of a hundred characters at most.
        var temporary = Directory.CreateTempSubdirectory("chaos-");
        using var interrupt = new CancellationTokenSource();
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Interrupt(c, interrupt));
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Interrupt(c, interrupt));
        try
        {
            return await new ChaosSession(options with { TemporaryFolder = temporary.FullName }, System.Console.WriteLine).RunAsync(interrupt.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            System.Console.WriteLine("interrupted; everything that was started is killed");
            return 130;
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }

    private static void Interrupt(PosixSignalContext context, CancellationTokenSource source)
    {
        context.Cancel = true;
        source.Cancel();
    }

    private static IReadOnlyList<FaultKind> Kinds(string[]? given)
    {
        if (given is not { Length: > 0 } || given.Contains("all")) return Enum.GetValues<FaultKind>();
        return [.. given.Select(name => Array.FindIndex(Names, known => Same(known, name)) is >= 0 and var i ? (FaultKind)i
            : throw new BadInputException("--kind", $"'{name}'", $"{string.Join(", ", Names)} or all")).Distinct()];

        static bool Same(string known, string name) => known.Replace("-", "", StringComparison.Ordinal).Equals(name.Replace("-", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);
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
