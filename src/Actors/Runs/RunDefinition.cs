using System.Collections.Concurrent;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Loading;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>The constants of a run: everything that its fold needs besides the journal. The same on every node.</summary>
public sealed class RunDefinition
{
    private readonly RunFolder _folder;
    private readonly ConcurrentDictionary<string, Plan> _amended = new();

    /// <summary>Derives the constants.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="corpus">The tokens.</param>
    public RunDefinition(RunFolder folder, Plan plan, PreparedCorpus corpus)
    {
        _folder = folder;
        var run = folder.Run;
        string checkpointDirectory = folder.CheckpointDirectory(plan);
        Run = run;
        Plan = plan;
        Corpus = corpus;
        PlanHash = plan.Hash(corpus.ContentHash, corpus.TokenizerHash);
        for (int i = 0; i < plan.Phases.Count; i++)
            if (plan.Phases[i].Batch != plan.Batch)
                throw new BadInputException($"{folder.PlanFile}: phases.{i}.batch", "a batch of its own", "the plan's batch: phases of different batches come with a later version");
        Layout = ParameterLayout.Create(plan.Model.Config);
        Geometry = new BatchGeometry(
            plan.Batch.VirtualWorldSize, plan.Batch.GradientAccumulationSteps, plan.Batch.MicroBatchSize, plan.Batch.SequenceLength);
        Data = new RunSamples(folder.Directory, corpus, Geometry, plan.Seed);
        Checkpoints = new CheckpointStore(checkpointDirectory);
        Optimizer = new OptimizerConstants(
            (float)plan.Optimizer.Beta1, (float)plan.Optimizer.Beta2, (float)plan.Optimizer.Epsilon,
            (float)plan.Model.Config.BiasUpdateSpeed);
    }

    /// <summary>The run.</summary>
    public RunId Run { get; }

    /// <summary>The plan.</summary>
    public Plan Plan { get; }

    /// <summary>The tokens.</summary>
    public PreparedCorpus Corpus { get; }

    /// <summary>Canonical hash of plan and data.</summary>
    public Digest256 PlanHash { get; }

    /// <summary>Parameters and shards.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>Global batch.</summary>
    public BatchGeometry Geometry { get; }

    /// <summary>Which sample goes where, also once data were attached.</summary>
    public RunSamples Data { get; }

    /// <summary>Which sample goes where in the data that the run was made with.</summary>
    public SampleIndex Samples => Data.Own;

    /// <summary>Stored checkpoints.</summary>
    public CheckpointStore Checkpoints { get; }

    /// <summary>The optimizer's constants.</summary>
    public OptimizerConstants Optimizer { get; }

    /// <summary>Whether this run has journaled before, as its folder knows.</summary>
    public bool Journaled => _folder.Journaled;

    /// <summary>Remembers in the folder that the journal has begun.</summary>
    public void MarkJournaled() => _folder.MarkJournaled();

    /// <summary>The plan in a step, amended by the commands that hold by then.</summary>
    /// <param name="state">The journal.</param>
    /// <param name="step">The step.</param>
    public Plan PlanAt(RunState state, Step step)
    {
        if (state.Amendments.IsEmpty || state.Amendments[0].EffectiveStep > step) return Plan;
        // Amending binds a whole plan anew; a step takes the same one as the step before it.
        string key = string.Join('\n', state.Amendments.TakeWhile(a => a.EffectiveStep <= step).Select(a => a.Content));
        return _amended.GetOrAdd(key, _ => state.PlanAt(Plan, step));
    }

    /// <summary>D(0) on a numerics class.</summary>
    public Digest256 InitialLineage(Digest256 numericsClass)
    {
        using var builder = new DigestBuilder();
        var initialState = builder.Add("initialised from the seed").Add((long)Plan.Seed).Add(Layout.Canonical()).Finish();
        return Decisions.Lineages.Initial(PlanHash, initialState, numericsClass).Digest;
    }
}
