using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// Which text stands in which row of which step: a pure function of the data, the batch geometry and a seed, with no state to lose.
/// The data is cut into windows of T + 1 tokens at stride T, so that every token but the first is predicted once per epoch; each epoch takes
/// the windows in the order of a <see cref="KeyedPermutation"/> of its own. A step may end one epoch and begin the next. Thread-safe.
/// </summary>
public sealed class SampleIndex
{
    private readonly TokenShardSet[] _tokens;
    private readonly long[] _ends;
    private readonly bool _hasMask;
    private readonly Step _first;
    private readonly ulong _key;

    /// <summary>Defines the samples of a phase.</summary>
    /// <param name="tokens">The data; must outlive this object.</param>
    /// <param name="geometry">How a step is cut into ranks, micro-batches and rows.</param>
    /// <param name="seed">Chooses the order.</param>
    /// <exception cref="BadInputException">The data does not fill one row, or a number of the geometry is below 1.</exception>
    public SampleIndex(TokenShardSet tokens, BatchGeometry geometry, ulong seed) : this([tokens], geometry, (CounterRandom.Key(seed, "sample-index/1"), new Step(1)))
    {
    }

    /// <summary>Defines the samples from a step on, over several data together: an epoch has the windows of all of them.</summary>
    /// <param name="tokens">The data, at least one, in the order that numbers their windows; must outlive this object.</param>
    /// <param name="geometry">How a step is cut into ranks, micro-batches and rows.</param>
    /// <param name="seed">Chooses the order.</param>
    /// <param name="first">The step with which the first epoch begins; earlier ones have no samples here. Another first step is another order.</param>
    /// <exception cref="BadInputException">One of the data does not fill one row, or a number of the geometry is below 1.</exception>
    public SampleIndex(IReadOnlyList<TokenShardSet> tokens, BatchGeometry geometry, ulong seed, Step first)
        : this(tokens, geometry, (CounterRandom.Key(seed, FormattableString.Invariant($"sample-index/1 from {first.Value}")), first))
    {
    }

    private SampleIndex(IReadOnlyList<TokenShardSet> tokens, BatchGeometry geometry, (ulong Key, Step First) order)
    {
        geometry.Validate();
        _tokens = [.. tokens];
        _ends = new long[_tokens.Length];
        _hasMask = _tokens.Any(t => t.HasMask);
        (_key, _first) = order;
        Geometry = geometry;
        for (int i = 0; i < _tokens.Length; i++)
        {
            long windows = Math.Max(0, _tokens[i].TokenCount - 1) / geometry.SequenceLength;
            if (windows < 1)
                throw new BadInputException(_tokens[i].Directory, $"{_tokens[i].TokenCount} tokens", $"at least one row: sequence length + 1 = {geometry.SequenceLength + 1L}");
            SamplesPerEpoch += windows;
            _ends[i] = SamplesPerEpoch;
        }
    }

    /// <summary>How a step is cut.</summary>
    public BatchGeometry Geometry { get; }

    /// <summary>Windows that the data holds: floor((tokens - 1) / T) of each. What is left over at the end is not used.</summary>
    public long SamplesPerEpoch { get; }

    /// <summary>The window that stands in a row: it starts at token SampleNumber x T (counted from the first window of the one of several data that holds it).</summary>
    /// <param name="step">From the first one on.</param>
    /// <param name="rank">From 0, below VirtualRanks.</param>
    /// <param name="microBatch">From 0, below GradientAccumulationSteps.</param>
    /// <param name="row">From 0, below MicroBatchSize.</param>
    /// <returns>A number in [0, <see cref="SamplesPerEpoch"/>).</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public long SampleNumber(Step step, RankId rank, int microBatch, int row)
    {
        CheckStep(step);
        CheckRange(rank.Value, Geometry.VirtualRanks, nameof(rank));
        CheckRange(microBatch, Geometry.GradientAccumulationSteps, nameof(microBatch));
        CheckRange(row, Geometry.MicroBatchSize, nameof(row));
        long inStep = ((long)rank.Value * Geometry.GradientAccumulationSteps + microBatch) * Geometry.MicroBatchSize + row;
        return SampleAt(checked(FirstPosition(step) + inStep));
    }

    /// <summary>The epoch, counted from 0, that the first row of a step belongs to.</summary>
    public long Epoch(Step step)
    {
        CheckStep(step);
        return FirstPosition(step) / SamplesPerEpoch;
    }

    /// <summary>The tokens of one forward/backward.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public MicroBatch Read(Step step, RankId rank, int microBatch)
    {
        int rows = Geometry.MicroBatchSize, length = Geometry.SequenceLength;
        int[] tokens = new int[rows * (length + 1)];
        byte[]? mask = _hasMask ? new byte[rows * length] : null;
        for (int row = 0; row < rows; row++)
        {
            var (source, start) = Window(SampleNumber(step, rank, microBatch, row));
            source.Read(start, tokens.AsSpan(row * (length + 1), length + 1));
            if (mask is not null) source.ReadMask(start + 1, mask.AsSpan(row * length, length));
        }
        return new MicroBatch(rows, length, tokens, mask);
    }

    /// <summary>All micro-batches of a rank's step, in the order in which they are accumulated.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public IReadOnlyList<MicroBatch> ReadRank(Step step, RankId rank)
    {
        var batches = new MicroBatch[Geometry.GradientAccumulationSteps];
        for (int i = 0; i < batches.Length; i++) batches[i] = Read(step, rank, i);
        return batches;
    }

    /// <summary>
    /// The denominator of a step's loss: how many predictions of the whole step count. Can be 0 where a mask hides every token of a step.
    /// Costs nothing without a mask, else one bit per token of the step.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The step is before the first one.</exception>
    public long UnmaskedTokens(Step step)
    {
        CheckStep(step);
        if (!_hasMask) return (long)Geometry.TrainBatchSize * Geometry.SequenceLength;
        long first = FirstPosition(step), count = 0;
        for (int i = 0; i < Geometry.TrainBatchSize; i++)
        {
            var (source, start) = Window(SampleAt(first + i));
            count += source.CountUnmasked(start + 1, Geometry.SequenceLength);
        }
        return count;
    }

    private long FirstPosition(Step step) => checked((step.Value - _first.Value) * Geometry.TrainBatchSize);

    /// <summary>Where a window is: which of the data, and its first token there.</summary>
    private (TokenShardSet Source, long Start) Window(long number)
    {
        int i = 0;
        while (number >= _ends[i]) i++;
        return (_tokens[i], (number - (i == 0 ? 0 : _ends[i - 1])) * Geometry.SequenceLength);
    }

    private long SampleAt(long position)
    {
        var (epoch, inEpoch) = Math.DivRem(position, SamplesPerEpoch);
        return new KeyedPermutation(CounterRandom.Bits(_key, (ulong)epoch), SamplesPerEpoch).Map(inEpoch);
    }

    private void CheckStep(Step step) => CheckRange(step.Value - _first.Value, long.MaxValue, nameof(step));

    private static void CheckRange(long value, long end, string name)
    {
        if (value < 0 || value >= end) throw new ArgumentOutOfRangeException(name, $"{name} is out of range.");
    }
}
