using ElasticTrain.Actors.Plans;

namespace ElasticTrain.Actors.Freezing;

/// <summary>
/// Freezes the longest prefix of layers whose gradient norm has stopped changing: |m' - m| / m between the means of two windows, as AutoFreeze measures it
/// (Liu et al., arXiv:2102.01386, section 3.2; a fixed threshold in place of its percentile). A ratio of a layer to itself, so that sizes and depths compare.
/// </summary>
public sealed class PlateauPolicy : IFreezePolicy
{
    private readonly int _window;
    private readonly double _threshold;
    private readonly StandstillCounter _counter;
    private readonly double[] _sum;
    private readonly double?[] _mean;
    private int _seen, _frozen, _asked;

    /// <summary>Begins to look.</summary>
    /// <param name="plan">Window, threshold, patience and how many layers to leave alone.</param>
    /// <param name="layers">Layers of the model.</param>
    public PlateauPolicy(FreezePlan plan, int layers)
    {
        (_window, _threshold) = (plan.Window, plan.Threshold);
        _counter = new StandstillCounter(layers, plan.Patience, plan.KeepLast);
        _sum = new double[layers];
        _mean = new double?[layers];
    }

    /// <inheritdoc/>
    public IReadOnlyList<FreezeDecision> Observe(StepObservation step)
    {
        if (step.FrozenPrefix < _frozen) Restart(); // somebody thawed: what was seen before says nothing about what comes
        _frozen = step.FrozenPrefix;
        // A skipped step has no norm.
        if (!step.GradientNorms.All(double.IsFinite)) return [];
        for (int layer = 0; layer < _sum.Length; layer++) _sum[layer] += step.GradientNorms[layer];
        if (++_seen < _window) return [];
        for (int layer = 0; layer < _sum.Length; layer++)
        {
            double mean = _sum[layer] / _seen;
            if (_mean[layer] is { } before) _counter.Note(layer, Math.Abs(mean - before) <= _threshold * before);
            _mean[layer] = mean;
        }
        _seen = 0;
        Array.Clear(_sum);
        int prefix = _counter.Prefix(_frozen);
        if (prefix <= Math.Max(_frozen, _asked)) return [];
        _asked = prefix;
        return [new FreezeDecision(FormattableString.Invariant($"freeze-plateau-{step.Step}-{prefix}"), prefix, null)];
    }

    private void Restart()
    {
        _counter.Clear();
        Array.Clear(_mean);
        Array.Clear(_sum);
        (_seen, _asked) = (0, 0);
    }
}
