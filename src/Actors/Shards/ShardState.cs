using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Decisions;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// The tensors of one shard and the rule that moves them: parameters, router bias, Adam's moments. No threads, no messages; the same class
/// serves a live replica, the single-process fold that <c>verify</c> runs, and the benchmarks.
/// </summary>
public sealed class ShardState : IDisposable
{
    private readonly ParameterLayout _layout;
    private readonly OptimizerConstants _optimizer;
    private readonly IReadOnlyList<ParameterInfo> _parameters;

    /// <summary>Allocates zeros.</summary>
    public ShardState(ParameterLayout layout, ShardId shard, OptimizerConstants optimizer)
    {
        _layout = layout;
        _optimizer = optimizer;
        Info = layout.Shards[shard.Value];
        _parameters = layout.ParametersOf(shard);
        Parameters = new NativeBuffer(Info.Length);
        Moment1 = new NativeBuffer(Info.Length);
        Moment2 = new NativeBuffer(Info.Length);
    }

    /// <summary>The shard.</summary>
    public ShardInfo Info { get; }

    /// <summary>fp32 master weights and router bias, [Info.Length].</summary>
    public NativeBuffer Parameters { get; }

    /// <summary>Adam's first moment, [Info.Length]; empty while a frozen shard has lost its moments.</summary>
    public NativeBuffer Moment1 { get; private set; }

    /// <summary>Adam's second moment, as long as the first.</summary>
    public NativeBuffer Moment2 { get; private set; }

    /// <summary>Bytes of parameters and moments.</summary>
    public long Bytes => sizeof(float) * (Parameters.Length + Moment1.Length + Moment2.Length);

    /// <summary>Sets the state before step 1.</summary>
    public void Initialize(ulong seed)
    {
        _layout.Initialize(Info.Id, seed, Parameters.Span);
        ResizeMoments(Info.Length);
        Moment1.Clear();
        Moment2.Clear();
    }

    /// <summary>Reads the state from a checkpoint, with or without moments as it was stored.</summary>
    /// <exception cref="CorruptionException">The blob is not what its name says.</exception>
    public void Load(CheckpointStore store, BlobReference blob)
    {
        ResizeMoments(store.HasMoments(blob, Info.Length) ? Info.Length : 0);
        store.ReadBlob(blob, Parameters, Moment1, Moment2);
    }

    /// <summary>Takes the state of a sibling.</summary>
    /// <param name="copy">Parameters, first and second moments, one after another, [3 * Info.Length].</param>
    /// <param name="hasMoments">Whether the sibling has moments; otherwise only the parameters are read.</param>
    public void Load(NativeBuffer copy, bool hasMoments)
    {
        copy.Slice(0, Info.Length).CopyTo(Parameters.Span);
        ResizeMoments(hasMoments ? Info.Length : 0);
        if (!hasMoments) return;
        copy.Slice(Info.Length, Info.Length).CopyTo(Moment1.Span);
        copy.Slice(2L * Info.Length, Info.Length).CopyTo(Moment2.Span);
    }

    /// <summary>Applies a decided step.</summary>
    /// <param name="step">The decision.</param>
    /// <param name="gradient">The sealed gradient, [Info.Length]; not read when the shard is frozen or the step is skipped.</param>
    /// <returns>Checksum of the new state; 0 where nothing was computed.</returns>
    public ulong Apply(ApplyStep step, ReadOnlySpan<float> gradient)
    {
        if (ParameterLayout.IsFrozen(Info, step.FrozenPrefix))
        {
            if (step.DropMoments) ResizeMoments(0);
            return 0;
        }
        if (step.Decision.Skipped) return 0;
        // Thawed: it begins with zeros. Not before its first update, so that the state stays a function of the decisions alone.
        ResizeMoments(Info.Length);
        var coefficients = new AdamCoefficients(
            step.Decision.LearningRate, _optimizer.Beta1, _optimizer.Beta2, _optimizer.Epsilon, step.WeightDecay,
            step.BiasCorrection1, step.BiasCorrection2, step.ClipScale);
        ulong checksum = 0;
        for (int i = 0; i < _parameters.Count;)
        {
            var first = _parameters[i];
            int end = i + 1;
            while (end < _parameters.Count && _parameters[end].Kind == first.Kind) end++;
            int offset = (int)(first.Offset - Info.Offset);
            int length = (int)(_parameters[end - 1].Offset + _parameters[end - 1].Length - first.Offset);
            ulong sum;
            if (first.Kind == ParameterKind.RouterBias)
            {
                MoveBiases(i, end, step.TokensPerExpert);
                sum = StateChecksum.Of(Parameters.Slice(offset, length), Moment1.Slice(offset, length), Moment2.Slice(offset, length));
            }
            else
            {
                sum = Adam.Step(
                    Parameters.Slice(offset, length), Moment1.Slice(offset, length), Moment2.Slice(offset, length),
                    gradient.Slice(offset, length), coefficients, first.Kind == ParameterKind.Weight);
            }
            checksum = unchecked(checksum * 0x9E3779B97F4A7C15UL + sum);
            i = end;
        }
        return checksum;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Parameters.Dispose();
        Moment1.Dispose();
        Moment2.Dispose();
    }

    /// <summary>Zeros where there were none; nothing, and the memory given back, for 0; otherwise what is there.</summary>
    private void ResizeMoments(long length)
    {
        if (Moment1.Length == length) return;
        Moment1.DisposeToSystem();
        Moment2.DisposeToSystem();
        (Moment1, Moment2) = (new NativeBuffer(length), new NativeBuffer(length));
    }

    private void MoveBiases(int begin, int end, IReadOnlyList<long> tokensPerExpert)
    {
        for (int i = begin; i < end; i++)
        {
            var bias = _parameters[i];
            int experts = (int)bias.Length, row = _layout.MoeLayerIndex(bias.Layer) * experts;
            Span<long> counts = new long[experts];
            for (int e = 0; e < experts; e++) counts[e] = tokensPerExpert[row + e];
            RouterBias.Move(Parameters.Slice(bias.Offset - Info.Offset, experts), counts, _optimizer.BiasUpdateSpeed);
        }
    }
}
