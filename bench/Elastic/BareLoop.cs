using System.Numerics;
using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Elastic;

/// <summary>
/// The opponent: training as a plain loop writes it, over the same model, batches and optimizer. All micro-batches of the step accumulate in place in
/// one gradient buffer, the norm is one pass, Adam works on the model's own parameters. Nothing is copied, hashed, journaled or saved.
/// </summary>
internal sealed class BareLoop : IDisposable
{
    private readonly RunDefinition _run;
    private readonly NativeBuffer _parameters, _moment1, _moment2, _gradient;
    private readonly ModelReplica _model;
    private readonly List<(long Offset, int Length, bool Decay)> _ranges = [];
    private readonly List<ParameterInfo> _biases;

    public BareLoop(RunDefinition run)
    {
        _run = run;
        var layout = run.Layout;
        (_parameters, _moment1) = (new NativeBuffer(layout.TotalLength), new NativeBuffer(layout.TotalLength));
        (_moment2, _gradient) = (new NativeBuffer(layout.TotalLength), new NativeBuffer(layout.TotalLength));
        foreach (var shard in layout.Shards) layout.Initialize(shard.Id, run.Plan.Seed, _parameters.Slice(shard.Offset, shard.Length));
        foreach (var parameter in layout.Parameters.Where(p => p.Kind != ParameterKind.RouterBias))
        {
            bool decay = parameter.Kind == ParameterKind.Weight;
            if (_ranges.Count > 0 && _ranges[^1] is var last && last.Decay == decay && last.Offset + last.Length == parameter.Offset)
                _ranges[^1] = last with { Length = last.Length + (int)parameter.Length };
            else _ranges.Add((parameter.Offset, (int)parameter.Length, decay));
        }
        _biases = [.. layout.Parameters.Where(p => p.Kind == ParameterKind.RouterBias)];
        _model = new ModelReplica(layout, _parameters, run.Plan.Numerics.Compute);
    }

    /// <summary>One step; returns its mean loss.</summary>
    public float Step(Step step)
    {
        List<MicroBatch> batches = [];
        for (int rank = 0; rank < _run.Geometry.VirtualRanks; rank++) batches.AddRange(_run.Samples.ReadRank(step, new RankId(rank)));
        long denominator = _run.Samples.UnmaskedTokens(step);
        var result = _model.ComputeRank(batches, denominator, 0, _gradient);
        var plan = _run.Plan.Optimizer;
        double norm = Math.Sqrt(SumOfSquares(_gradient.Span));
        float scale = plan.Clip > 0 && norm > plan.Clip ? (float)(plan.Clip / norm) : 1f;
        var coefficients = AdamCoefficients.ForUpdate(
            step.Value, (float)LearningRate.At(_run.Plan, step), _run.Optimizer.Beta1, _run.Optimizer.Beta2, _run.Optimizer.Epsilon, (float)plan.WeightDecay, scale);
        foreach (var (offset, length, decay) in _ranges)
        {
            Adam.Step(
                _parameters.Slice(offset, length), _moment1.Slice(offset, length), _moment2.Slice(offset, length), _gradient.Slice(offset, length),
                coefficients, decay);
        }
        foreach (var bias in _biases)
        {
            int experts = (int)bias.Length, row = _run.Layout.MoeLayerIndex(bias.Layer) * experts;
            RouterBias.Move(_parameters.Slice(bias.Offset, experts), result.TokensPerExpert.AsSpan(row, experts), _run.Optimizer.BiasUpdateSpeed);
        }
        return (float)(result.LossSum / denominator);
    }

    public void Dispose()
    {
        _model.Dispose();
        foreach (var buffer in new[] { _parameters, _moment1, _moment2, _gradient }) buffer.Dispose();
    }

    private static float SumOfSquares(ReadOnlySpan<float> values)
    {
        int width = Vector<float>.Count, i = 0;
        Vector<float> a = default, b = default, c = default, d = default;
        for (; i + (4 * width) <= values.Length; i += 4 * width)
        {
            Vector<float> x = new(values[i..]), y = new(values[(i + width)..]), z = new(values[(i + (2 * width))..]), w = new(values[(i + (3 * width))..]);
            a += x * x;
            b += y * y;
            c += z * z;
            d += w * w;
        }
        float sum = Vector.Sum(a + b + (c + d));
        for (; i < values.Length; i++) sum += values[i] * values[i];
        return sum;
    }
}
