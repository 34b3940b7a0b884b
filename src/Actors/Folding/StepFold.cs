using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Folding;

/// <summary>
/// The definition of a run, without anything elastic: weights after step n as a loop over steps and ranks on one device. <c>verify</c> replays
/// with it, benchmarks compare with it, and the cluster must agree with it to the last bit.
/// </summary>
public sealed class StepFold : IDisposable
{
    private readonly RunDefinition _run;
    private readonly NativeBuffer _parameters;
    private readonly ModelReplica _model;
    private readonly BufferPool _pool = new();
    private readonly List<ShardState> _shards = [];

    /// <summary>Starts at D(0) or at a checkpoint.</summary>
    /// <param name="run">The run's constants.</param>
    /// <param name="initial">D(0).</param>
    /// <param name="checkpoint">Where to start; null for the initial state.</param>
    public StepFold(RunDefinition run, Digest256 initial, CheckpointManifest? checkpoint)
    {
        _run = run;
        _parameters = new NativeBuffer(run.Layout.TotalLength);
        foreach (var shard in run.Layout.Shards)
        {
            var state = new ShardState(run.Layout, shard.Id, run.Optimizer);
            _shards.Add(state);
            if (checkpoint is null) state.Initialize(run.Plan.Seed);
            else state.Load(run.Checkpoints, checkpoint.Blobs[shard.Id.Value]);
        }
        CopyParameters();
        Version = checkpoint?.Version ?? new Lineage(Step.Zero, initial);
        OptimizerStep = checkpoint?.OptimizerStep ?? 0;
        _model = new ModelReplica(run.Layout, _parameters, run.Plan.Numerics.Compute);
    }

    /// <summary>The version reached.</summary>
    public Lineage Version { get; private set; }

    /// <summary>Updates applied.</summary>
    public long OptimizerStep { get; private set; }

    /// <summary>The model on this version's parameters.</summary>
    public ModelReplica Model => _model;

    /// <summary>SHA-256 of the state, as a checkpoint's seal has it.</summary>
    public Digest256 StateDigest()
    {
        var blobs = _shards.Select(s => CheckpointStore.Reference(s.Info.Id, s.Parameters.Span, s.Moment1.Span, s.Moment2.Span)).ToList();
        return new CheckpointManifest(Version.Step, Version.Digest, _run.PlanHash, OptimizerStep, blobs).StateDigest;
    }

    /// <summary>Computes and applies the next step.</summary>
    /// <param name="commands">The journal, of which only the commands play a part: <see cref="RunState.Empty"/> where there are none.</param>
    /// <returns>What the journal must say about it.</returns>
    public StepCommitted Advance(RunState commands)
    {
        var step = Version.Step.Next;
        int frozenPrefix = commands.FrozenPrefixAt(step);
        var samples = _run.Data.At(commands.DataAt(step));
        int ranks = _run.Geometry.VirtualRanks;
        long denominator = samples.UnmaskedTokens(step);
        using var accumulator = new BlockAccumulator(ranks, _run.Layout.TotalLength, _pool);
        var outcomes = new RankOutcome[ranks];
        for (int rank = 0; rank < ranks; rank++)
        {
            var gradient = _pool.Rent(_run.Layout.TotalLength);
            var result = _model.ComputeRank(samples.ReadRank(step, new RankId(rank)), denominator, frozenPrefix, gradient);
            accumulator.Add(new RankId(rank), gradient);
            outcomes[rank] = RankOutcome.Of(result);
        }
        var sum = accumulator.Take()[0].Sum;
        try
        {
            return Apply(sum, outcomes, denominator, frozenPrefix, commands);
        }
        finally
        {
            _pool.Return(sum);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _model.Dispose();
        foreach (var shard in _shards) shard.Dispose();
        _parameters.Dispose();
        _pool.Dispose();
    }

    private StepCommitted Apply(
        NativeBuffer sum, RankOutcome[] outcomes, long denominator, int frozenPrefix, RunState commands)
    {
        var step = Version.Step.Next;
        var effective = commands.EffectiveAt(step);
        var reports = new List<ShardSealReport>();
        foreach (var shard in _shards)
        {
            if (ParameterLayout.IsFrozen(shard.Info, frozenPrefix)) continue;
            var (sumOfSquares, finite, digest) = GradientStatistics.Of(sum.Slice(shard.Info.Offset, shard.Info.Length));
            reports.Add(new ShardSealReport(shard.Info.Id, sumOfSquares, finite, digest));
        }
        var decision = StepDecider.Decide(
            _run.PlanAt(commands, step), Version, [.. effective.Select(e => e.Content)], reports, outcomes, denominator, OptimizerStep + 1);
        var apply = ApplyStep.From(default, Version, OptimizerStep, decision, frozenPrefix, effective);
        foreach (var shard in _shards) shard.Apply(apply, sum.Slice(shard.Info.Offset, shard.Info.Length));
        CopyParameters();
        Version = apply.Output;
        OptimizerStep = apply.Decision.OptimizerStep;
        return apply.Decision;
    }

    private void CopyParameters()
    {
        foreach (var shard in _shards) shard.Parameters.Span.CopyTo(_parameters.Slice(shard.Info.Offset, shard.Info.Length));
    }
}
