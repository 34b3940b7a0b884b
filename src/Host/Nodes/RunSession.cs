using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Host.Nodes;

/// <summary>A plan, its data and its folder, checked against each other before anything starts.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="Definition">The run's constants.</param>
/// <param name="Journal">Where its journal is.</param>
public sealed record RunSession(RunFolder Folder, RunDefinition Definition, JournalSettings Journal) : IDisposable
{
    /// <summary>Opens a run, or makes it: prepares its data, writes its folder.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="directory">The run's folder.</param>
    /// <param name="say">Lines for the user.</param>
    /// <exception cref="BadInputException">The folder holds a run of another plan; nothing was changed.</exception>
    public static RunSession Prepare(Plan plan, string directory, Action<string> say)
    {
        TorchRuntime.Initialize();
        if (RunFolder.Exists(directory)) RequireSamePlan(plan, RunFolder.Open(directory));
        string data = Path.Combine(Path.GetFullPath(directory), "data");
        var corpus = Corpus.PrepareOrOpen(data, new CorpusOptions(plan.Data.Input, plan.Data.ValidationShare, plan.Seed, plan.Data.MaxBytes));
        say($"data: {corpus.Description}");
        var session = Open(RunFolder.OpenOrCreate(directory, plan), plan, corpus);
        if (DeviceMemory.Of(plan, session.Definition.Layout) is { } memory) say($"memory: {memory}");
        return session;
    }

    /// <summary>Opens a run that was made before, as its folder has it.</summary>
    /// <param name="directory">The run's folder.</param>
    public static RunSession Open(string directory)
    {
        var folder = RunFolder.Open(directory);
        var plan = LoadPlan(folder);
        TorchRuntime.Initialize();
        return Open(folder, plan, Corpus.Open(folder.DataDirectory));
    }

    /// <summary>The plan that a run was made with. Its data need not be where they were: the folder holds the tokens.</summary>
    public static Plan LoadPlan(RunFolder folder) => Plan.Parse(File.ReadAllText(folder.PlanFile), folder.PlanFile, []);

    /// <inheritdoc/>
    public void Dispose()
    {
        Definition.Data.Dispose();
        Definition.Corpus.Dispose();
    }

    private static void RequireSamePlan(Plan plan, RunFolder folder)
    {
        var stored = LoadPlan(folder);
        string[] found = Lines(plan), expected = Lines(stored);
        for (int i = 0; i < Math.Max(found.Length, expected.Length); i++)
        {
            string here = i < found.Length ? found[i] : "nothing", there = i < expected.Length ? expected[i] : "nothing";
            if (here != there)
                throw new BadInputException($"--run-dir {folder.Directory}", here, $"{there}, as the run in this folder was made with (another --run-dir starts another run)");
        }

        static string[] Lines(Plan plan) =>
            [.. plan.Canonical().Split('\n', StringSplitOptions.RemoveEmptyEntries), $"data.input={plan.Data.Input ?? "(.NET reference documentation)"}",
                $"data.max-bytes={plan.Data.MaxBytes}", FormattableString.Invariant($"data.validation-share={plan.Data.ValidationShare}")];
    }

    /// <summary>Before anything is made: an empty journal in the place of one that was lost would start the run anew.</summary>
    private static void RequireOwnJournal(JournalSettings journal, RunFolder folder)
    {
        try
        {
            if (new JournalReader(journal, folder.Run).WhyNotOwn() is { } problem)
                throw new BadInputException(problem.Where, problem.Found, $"{problem.Expected}, which has journaled before: put its journal back, or start another run with another --run-dir");
        }
        catch (System.Data.Common.DbException)
        {
            // Locked, or its server is down: the coordinator waits for it, says so, and looks again when it has read it.
        }
    }

    private static RunSession Open(RunFolder folder, Plan plan, PreparedCorpus corpus)
    {
        var journal = new JournalSettings(plan.Journal, folder);
        if (folder.Journaled) RequireOwnJournal(journal, folder);
        journal.Prepare();
        return new RunSession(folder, new RunDefinition(folder, plan, corpus), journal);
    }
}
