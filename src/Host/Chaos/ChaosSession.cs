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
    /// <returns>0 if every run's bits equal the reference's and every journal obeys the rules, otherwise 1.</returns>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        say($"reference: {options.Steps} steps in one process, undisturbed");
        var reference = new ChaosRun(options, "reference", null, [], say);
        await reference.ExecuteAsync(ct).ConfigureAwait(false);
        _reference = State(reference);
        foreach (string violation in HistoryChecker.Violations(reference.Journal.History)) throw new ElasticTrainException($"The reference's journal is wrong: {violation}");
        if (reference.Problem is { } problem) throw new ElasticTrainException($"The reference did not finish: {problem}; see {Path.Combine(options.Directory, "nodes", "reference.log")}");

        var results = new List<KindResult>();
        foreach (var kind in options.Kinds) results.Add(await DisturbAsync(kind, ct).ConfigureAwait(false));
        say("");
        foreach (string line in ChaosReport.Lines(results)) say(line);
        return results.All(r => r.Wrong == 0) ? 0 : 1;
    }

    private async Task<KindResult> DisturbAsync(FaultKind kind, CancellationToken ct)
    {
        var random = new Random((options.Seed * 31) + (int)kind);
        var faults = new List<Fault>();
        int runs = 0, wrong = 0;
        // A run may end before all its faults have struck: the rest goes to a further one.
        for (; faults.Count < options.Faults; runs++)
        {
            if (runs > 2 * options.Faults)
            {
                say($"{kind}: only {faults.Count} faults in {runs} runs; more steps (--steps) leave more time");
                wrong++;
                break;
            }
            string name = string.Create(CultureInfo.InvariantCulture, $"{kind.ToString().ToLowerInvariant()}-{runs + 1}");
            var run = new ChaosRun(options, name, kind == FaultKind.SingleProcess ? null : options.Nodes, Plan(kind, random, options.Faults - faults.Count), say);
            ShareData(run.Directory);
            await run.ExecuteAsync(ct).ConfigureAwait(false);
            faults.AddRange(run.Faults);
            List<string> problems = [.. HistoryChecker.Violations(run.Journal.History)];
            if (run.Problem is { } problem) problems.Add(problem);
            else if (HistoryChecker.Difference(_reference, State(run)) is { } difference) problems.Add(difference);
            foreach (string found in problems) say($"{name}: WRONG: {found} (see {run.Directory})");
            if (problems.Count > 0) wrong++;
            else say($"{name}: {options.Steps} steps, {run.Faults.Count} faults, bits equal");
        }
        return new KindResult(kind, runs, faults.Count, [.. faults.Where(f => f.ToNextCommit is not null).Select(f => f.ToNextCommit!.Value)], wrong);
    }

    private List<PlannedFault> Plan(FaultKind kind, Random random, int wanted)
    {
        int count = Math.Min(wanted, options.FaultsPerRun);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextInt64(0, Math.Max(1, options.Steps - 3))).Order()
            .Select(step => new PlannedFault(kind, step, random.NextDouble() * 1.5, random.NextDouble(), TimeSpan.FromSeconds(0.2 + (random.NextDouble() * 7))))];
    }

    /// <summary>The reference's prepared data serve all runs of the plan: preparing them is not what is tested.</summary>
    private void ShareData(string directory)
    {
        string from = Path.Combine(options.Directory, "reference", "data"), to = Path.Combine(directory, "data");
        foreach (string file in System.IO.Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            System.IO.Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private static RunState State(ChaosRun run) => run.Journal.History.Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event));
}
