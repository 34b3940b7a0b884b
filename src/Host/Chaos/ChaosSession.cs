using System.Globalization;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Chaos;

/// <summary>An undisturbed run, then runs under faults, each compared with it and its journal checked.</summary>
/// <param name="options">What was asked.</param>
/// <param name="say">Takes a line for the user.</param>
internal sealed class ChaosSession(ChaosOptions options, Action<string> say)
{
    private RunState _reference = RunState.Empty;

    /// <summary>Runs everything.</summary>
    /// <returns>0 if every run's bits equal the reference's and every rule was kept, otherwise 1.</returns>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        say($"reference: {options.Steps} steps in one process, undisturbed");
        var reference = new ChaosRun(options, "reference", null, [], say);
        await reference.ExecuteAsync(ct).ConfigureAwait(false);
        _reference = State(reference);
        foreach (string violation in HistoryChecker.Violations(reference.Journal.History)) throw new ElasticTrainException($"The reference's journal is wrong: {violation}");
        if (reference.Problems.Count > 0)
            throw new ElasticTrainException($"The reference did not end well: {string.Join("; ", reference.Problems)}; see {Path.Combine(options.Directory, "nodes", "reference.log")}");

        var results = new List<KindResult>();
        foreach (var kind in options.Kinds) results.Add(await DisturbAsync(kind, ct).ConfigureAwait(false));
        say("");
        foreach (string line in ChaosReport.Lines(results)) say(line);
        return results.All(r => r.Wrong == 0) ? 0 : 1;
    }

    private async Task<KindResult> DisturbAsync(FaultKind kind, CancellationToken ct)
    {
        var faults = new List<Fault>();
        var result = new KindResult(kind, 0, 0, [], 0);
        // A run may end before all its faults have struck: the rest goes to a further one.
        for (int runs = 0; faults.Count < options.Faults; runs++)
        {
            string label = ChaosSchedule.Name(kind);
            if (runs > 2 * options.Faults)
            {
                say($"{label}: only {faults.Count} faults in {runs} runs; more steps (--steps) leave more time");
                result = result with { Wrong = result.Wrong + 1 };
                break;
            }
            var planned = ChaosSchedule.Plan(options.Seed, kind, runs, options.Steps, options.Faults - faults.Count);
            var run = new ChaosRun(options, string.Create(CultureInfo.InvariantCulture, $"{label}-{runs + 1}"), kind, planned, say);
            ShareData(run.Directory);
            await run.ExecuteAsync(ct).ConfigureAwait(false);
            faults.AddRange(run.Faults);
            var problems = Problems(run);
            foreach (string found in problems) say($"{run.Name}: WRONG: {found} (see {run.Directory})");
            if (problems.Count == 0) say($"{run.Name}: {options.Steps} steps, {run.Faults.Count} faults, bits equal");
            result = result with
            {
                Runs = runs + 1,
                Wrong = result.Wrong + (problems.Count > 0 ? 1 : 0),
                Standstill = run.Faults.Select(f => HistoryChecker.Standstill(run.Journal.History, f.At, f.Until)).Append(result.Standstill).Max(),
                Replayed = result.Replayed + HistoryChecker.Replayed(run.Journal.History),
                SurvivorsLost = result.SurvivorsLost + run.SurvivorsLost,
                Explained = result.Explained + run.Explained,
                Growth = run.Memory.Growth is { } growth ? Math.Max(growth, result.Growth ?? growth) : result.Growth,
            };
        }
        return result with { Faults = faults.Count, Times = [.. faults.Where(f => f.ToNextCommit is not null).Select(f => f.ToNextCommit!.Value)] };
    }

    private IReadOnlyList<string> Problems(ChaosRun run)
    {
        List<string> problems = [.. HistoryChecker.Violations(run.Journal.History), .. run.Problems, .. run.SpoiledStarts];
        if (HistoryChecker.Difference(_reference, State(run)) is { } difference) problems.Add(difference);
        return problems;
    }

    /// <summary>The reference's prepared data serve all runs of the plan: preparing them is not what is tested.</summary>
    private void ShareData(string directory)
    {
        string from = Path.Combine(options.Directory, "reference", "data"), to = Path.Combine(directory, "data");
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private static RunState State(ChaosRun run) => run.Journal.History.Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event));
}
