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
    /// <summary>Opens or makes a run: prepares its data, writes its folder.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="directory">The run's folder.</param>
    /// <param name="say">Lines for the user.</param>
    public static RunSession Prepare(Plan plan, string directory, Action<string> say)
    {
        TorchRuntime.Initialize();
        string data = Path.Combine(Path.GetFullPath(directory), "data");
        var corpus = Corpus.PrepareOrOpen(data, new CorpusOptions(plan.Data.Input, plan.Data.ValidationShare, plan.Seed, plan.Data.MaxBytes));
        say($"data: {corpus.Description}");
        var folder = RunFolder.OpenOrCreate(directory, plan);
        return Open(folder, plan, corpus);
    }

    /// <summary>Opens a run that was made before.</summary>
    /// <param name="directory">The run's folder.</param>
    public static RunSession Open(string directory)
    {
        var folder = RunFolder.Open(directory);
        var plan = Plan.Load(folder.PlanFile, []);
        TorchRuntime.Initialize();
        return Open(folder, plan, Corpus.Open(folder.DataDirectory));
    }

    /// <inheritdoc/>
    public void Dispose() => Definition.Corpus.Dispose();

    private static RunSession Open(RunFolder folder, Plan plan, PreparedCorpus corpus)
    {
        var journal = new JournalSettings(plan.Journal, folder);
        journal.Prepare();
        return new RunSession(folder, new RunDefinition(folder, plan, corpus), journal);
    }
}
