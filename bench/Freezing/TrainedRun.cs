using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Freezing;

/// <summary>What a run under a policy took and gave.</summary>
/// <param name="Seconds">From the commit of the last warm-up step to that of the last step.</param>
/// <param name="SecondsPerStep">Of the last hundred steps.</param>
/// <param name="Loss">Mean training loss of the last hundred steps, nats.</param>
/// <param name="BitsPerByte">Of held-out text.</param>
/// <param name="Freezes">What was frozen when.</param>
internal sealed record Result(double Seconds, double SecondsPerStep, double Loss, double BitsPerByte, string Freezes);

/// <summary>A whole run through the real executable, read from its journal and its last words.</summary>
internal static class TrainedRun
{
    /// <summary>Steps in which kernels are compiled.</summary>
    public const int WarmUp = 100;

    private const int Last = 100;

    public static Result Measure(int steps, IEnumerable<string> sets)
    {
        string run = Directory.CreateTempSubdirectory("freezing-bench-").FullName;
        try
        {
            string output = Train(run, steps, sets);
            var folder = RunFolder.Open(run);
            var events = new JournalReader(new JournalSettings(Plan.Parse(File.ReadAllText(folder.PlanFile), folder.PlanFile, []).Journal, folder), folder.Run).Read();
            var commits = events.Where(e => e.Event is StepCommitted).ToList();
            string freezes = string.Join(", ", events.Select(e => e.Event).Select(e => e switch
            {
                LayersFrozen f => $"0-{f.LastLayer} from step {f.EffectiveStep}",
                LayersThawed t => $"thawed from step {t.EffectiveStep}",
                _ => null,
            }).OfType<string>());
            return new Result(
                Between(commits, WarmUp, steps), Between(commits, steps - Last, steps) / Last,
                commits.TakeLast(Last).Average(c => BitConverter.UInt32BitsToSingle(((StepCommitted)c.Event).LossBits)), BitsPerByte(output), freezes);
        }
        finally
        {
            Directory.Delete(run, recursive: true);
        }
    }

    private static double Between(List<JournaledEvent> commits, int from, int to) => (commits[to - 1].WrittenAt - commits[from - 1].WrittenAt).TotalSeconds;

    private static double BitsPerByte(string output)
    {
        const string Before = "held-out text: ";
        string line = output.Split('\n').First(l => l.StartsWith(Before, StringComparison.Ordinal));
        return double.Parse(line[Before.Length..].Split(' ')[0], CultureInfo.InvariantCulture);
    }

    private static string Train(string run, int steps, IEnumerable<string> sets)
    {
        var artifacts = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var start = new ProcessStartInfo(Path.Combine(artifacts.Parent!.Parent!.FullName, "Host", artifacts.Name, "elastictrain")) { RedirectStandardOutput = true, RedirectStandardError = true };
        string total = steps.ToString(CultureInfo.InvariantCulture);
        foreach (string argument in (string[])["train", PlanFile(), "--run-dir", run, .. sets.Prepend($"phases.0.steps={total}").Prepend("checkpoint.every=50").SelectMany(s => new[] { "--set", s })])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new ElasticTrainException($"train ended with {process.ExitCode}:\n{output}\n{errors.Result}");
    }

    private static string PlanFile()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (Path.Combine(at.FullName, "hocon", "plans", "quickstart.conf") is var file && File.Exists(file)) return file;
        throw new FileNotFoundException("hocon/plans/quickstart.conf is not above the program's folder");
    }
}
