using ElasticTrain.Actors.Plans;

namespace ElasticTrain.Actors.Freezing;

/// <summary>
/// Freezes the longest prefix of layers whose activations have stopped moving away from those of a reference snapshot. A layer's plasticity is the similarity-preserving loss between
/// the two (<see cref="SimilarityMatrix"/>); it is fitted by a line over the last snapshots, and the layer stands still where the line moves by less than a share of the largest
/// plasticity seen over the window. All layers are thawed when the learning rate has fallen far below what it was at the freeze: smaller steps may find something again.
/// Source: Wang et al., "Egeria: efficient DNN training with knowledge-guided layer freezing", EuroSys 2023, arXiv:2201.06227, section 4.
/// </summary>
public sealed class SimilarityPolicy : IFreezePolicy
{
    private readonly FreezePlan _plan;
    private readonly StandstillCounter _counter;
    private readonly Queue<double>[] _history;
    private readonly double[] _largest;
    private int _frozen, _asked;
    private double? _rateAtFreeze;

    /// <summary>Begins to look.</summary>
    /// <param name="plan">Window, threshold, patience, thaw ratio and how many layers to leave alone.</param>
    /// <param name="layers">Layers of the model.</param>
    public SimilarityPolicy(FreezePlan plan, int layers)
    {
        _plan = plan;
        _counter = new StandstillCounter(layers, plan.Patience, plan.KeepLast);
        _history = [.. Enumerable.Range(0, layers).Select(_ => new Queue<double>())];
        _largest = new double[layers];
    }

    /// <inheritdoc/>
    public IReadOnlyList<FreezeDecision> Observe(StepObservation step)
    {
        if (step.FrozenPrefix < _frozen) Restart();
        if (step.FrozenPrefix > _frozen || (step.FrozenPrefix > 0 && _rateAtFreeze is null)) _rateAtFreeze = step.LearningRate;
        _frozen = step.FrozenPrefix;
        if (_frozen > 0 && step.LearningRate < _plan.ThawRatio * _rateAtFreeze)
        {
            _rateAtFreeze = step.LearningRate;
            return [new FreezeDecision(FormattableString.Invariant($"freeze-similarity-{step.Step}-0"), 0, null)];
        }
        if (step.Plasticity is not { } plasticity) return [];
        for (int layer = _frozen; layer < _history.Length; layer++)
        {
            _largest[layer] = Math.Max(_largest[layer], plasticity[layer]);
            _history[layer].Enqueue(plasticity[layer]);
            if (_history[layer].Count > _plan.Window) _history[layer].Dequeue();
            if (_history[layer].Count == _plan.Window)
                _counter.Note(layer, Math.Abs(Slope([.. _history[layer]])) * (_plan.Window - 1) <= _plan.Threshold * _largest[layer]);
        }
        int prefix = _counter.Prefix(_frozen);
        if (prefix <= Math.Max(_frozen, _asked)) return [];
        _asked = prefix;
        return [new FreezeDecision(FormattableString.Invariant($"freeze-similarity-{step.Step}-{prefix}"), prefix, null)];
    }

    /// <summary>The slope of the line through (0, y0), (1, y1), ... with the least squares.</summary>
    internal static double Slope(ReadOnlySpan<double> values)
    {
        double middle = (values.Length - 1) / 2.0, above = 0, below = 0;
        for (int i = 0; i < values.Length; i++)
        {
            above += (i - middle) * values[i];
            below += (i - middle) * (i - middle);
        }
        return above / below;
    }

    private void Restart()
    {
        _counter.Clear();
        foreach (var history in _history) history.Clear();
        Array.Clear(_largest);
        (_asked, _rateAtFreeze) = (0, null);
    }
}
