using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests.Checks;

/// <summary>
/// The undisturbed run, step by step on one device: what every version's bits must be. Knows neither coordinator nor replica nor reducer; shares with
/// them the rules of one step, <see cref="StepDecider"/> and <see cref="ShardState"/>.
/// </summary>
public sealed class ReferenceFold : IDisposable
{
    /// <summary>A version and its bits.</summary>
    /// <param name="Version">Its name.</param>
    /// <param name="Commit">The journal's event; null for the initial state.</param>
    /// <param name="States">Of each shard parameters and moments, one behind the other.</param>
    public sealed record Point(Lineage Version, StepCommitted? Commit, float[][] States)
    {
        /// <summary>Hash of each shard's state.</summary>
        public ulong[] Hashes { get; } = [.. States.Select(s => Arithmetic.HashOf(s))];
    }

    private readonly Scenario _scenario;
    private readonly ShardState[] _states;
    private readonly List<Point> _points = [];

    /// <summary>At D(0).</summary>
    public ReferenceFold(Scenario scenario, Digest256 initial)
    {
        _scenario = scenario;
        _states = [.. scenario.Layout.Shards.Select(s => new ShardState(scenario.Layout, s.Id, scenario.Optimizer))];
        foreach (var state in _states) state.Initialize(scenario.Plan.Seed);
        _points.Add(new Point(new Lineage(Step.Zero, initial), null, Copy()));
    }

    /// <summary>A step's version.</summary>
    /// <param name="step">The step.</param>
    /// <param name="journal">Names the commands in effect, all of which must be durable before their step.</param>
    public Point At(Step step, RunState journal)
    {
        while (_points.Count <= step.Value) Advance(journal);
        return _points[(int)step.Value];
    }

    /// <summary>Highest step computed so far.</summary>
    public Step Last => _points[^1].Version.Step;

    /// <summary>What a checkpoint's seal must say of a step.</summary>
    public Digest256 StateDigest(Step step, RunState journal)
    {
        var point = At(step, journal);
        var blobs = point.States.Select((s, i) => Arithmetic.BlobOf(_scenario.Layout.Shards[i], s)).ToList();
        return new CheckpointManifest(step, point.Version.Digest, default, 0, blobs).StateDigest;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var state in _states) state.Dispose();
    }

    private void Advance(RunState journal)
    {
        var (layout, before) = (_scenario.Layout, _points[^1]);
        var step = before.Version.Step.Next;
        float[] parameters = new float[layout.TotalLength];
        foreach (var state in _states) state.Parameters.Span.CopyTo(parameters.AsSpan((int)state.Info.Offset));
        ulong hash = Arithmetic.HashOf(parameters);
        RankOutcome[] outcomes = [.. Enumerable.Range(0, _scenario.VirtualRanks).Select(r => Arithmetic.Outcome(layout, hash, step, r))];
        float[] sum = Sum(hash, step, outcomes, 0, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)_scenario.VirtualRanks));
        int prefix = journal.FrozenPrefixAt(step);
        var effective = journal.EffectiveAt(step);
        List<ShardSealReport> reports = [];
        foreach (var shard in layout.Shards.Where(s => !ParameterLayout.IsFrozen(s, prefix)))
        {
            var (squares, finite, digest) = GradientStatistics.Of(sum.AsSpan((int)shard.Offset, shard.Length));
            reports.Add(new ShardSealReport(shard.Id, squares, finite, digest));
        }
        long optimizerStep = before.Commit?.OptimizerStep ?? 0;
        var decision = StepDecider.Decide(
            _scenario.Plan, before.Version, [.. effective.Select(e => e.Content)], reports, outcomes, Arithmetic.Tokens(step, 0, _scenario.VirtualRanks), optimizerStep + 1);
        var apply = ApplyStep.From(default, before.Version, optimizerStep, decision, prefix, effective);
        foreach (var state in _states) state.Apply(apply, sum.AsSpan((int)state.Info.Offset, state.Info.Length));
        _points.Add(new Point(apply.Output, apply.Decision, Copy()));
    }

    /// <summary>The reduction tree as its definition says it.</summary>
    private float[] Sum(ulong hash, Step step, RankOutcome[] outcomes, int lo, int size)
    {
        if (size == 1)
        {
            float[] leaf = new float[_scenario.Layout.TotalLength];
            Arithmetic.Gradient(_scenario.Layout, hash, step, lo, outcomes[lo], leaf);
            return leaf;
        }
        float[] left = Sum(hash, step, outcomes, lo, size / 2);
        if (lo + (size / 2) >= outcomes.Length) return left;
        float[] right = Sum(hash, step, outcomes, lo + (size / 2), size / 2);
        for (int i = 0; i < left.Length; i++) left[i] += right[i];
        return left;
    }

    private float[][] Copy() => [.. _states.Select(Flat)];

    /// <summary>A state's numbers, one behind the other.</summary>
    public static float[] Flat(ShardState state) => [.. state.Parameters.Span, .. state.Moment1.Span, .. state.Moment2.Span];
}
