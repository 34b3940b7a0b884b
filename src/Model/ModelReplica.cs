using ElasticTrain.Core;
using ElasticTrain.Model.Network;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model;

/// <summary>What a rank reports beside its gradient.</summary>
/// <param name="LossSum">Summed cross entropy of the unmasked tokens in nats.</param>
/// <param name="LossTokens">Number of unmasked tokens.</param>
/// <param name="TokensPerExpert">How many tokens chose each expert, row-major [MoE layer, expert].</param>
public sealed record RankResult(double LossSum, long LossTokens, long[] TokensPerExpert)
{
    /// <summary>Summed cross entropy of the prediction module's unmasked tokens in nats; 0 without one.</summary>
    public double MtpLossSum { get; init; }

    /// <summary>Number of these tokens.</summary>
    public long MtpLossTokens { get; init; }

    /// <summary>The rank's part of the step's balance loss, a mean over sequences, summed over layers; 0 unless the configuration has one.</summary>
    public double BalanceLoss { get; init; }
}

/// <summary>Sees a layer's output.</summary>
/// <param name="layer">From 0.</param>
/// <param name="values">The residual stream after it, [B, T, hidden].</param>
public delegate void LayerObserver(int layer, ReadOnlySpan<float> values);

/// <summary>
/// The network over one flat parameter buffer. Results are pure functions of the arguments and the buffer's content; an instance serves one
/// thread at a time, several instances may run side by side.
/// </summary>
public sealed class ModelReplica : IDisposable
{
    private readonly ParameterLayout _layout;
    private readonly NativeBuffer _parameterBuffer;
    private readonly DeepSeekNetwork _network;
    private readonly bool _recompute;
    private RotaryTable? _rotary;

    /// <summary>Makes a network over parameters that somebody else owns and may rewrite between calls.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="parameters">Flat parameters, as long as the layout says; must outlive the replica.</param>
    /// <param name="compute">What is multiplied: it decides over the bits of every result.</param>
    /// <param name="recompute">Whether only the residual stream is kept between layers and the rest computed again in the backward pass: the same bits for less
    /// memory and a third more time (Chen et al., arXiv:1604.06174).</param>
    public ModelReplica(ParameterLayout layout, NativeBuffer parameters, ComputeKind compute, bool recompute = false)
    {
        layout.RequireLength(parameters, nameof(parameters));
        TorchRuntime.BindThread();
        _layout = layout;
        _parameterBuffer = parameters;
        _recompute = recompute;
        _network = new DeepSeekNetwork(layout, compute);
    }

    /// <summary>
    /// Computes a rank: forward and backward over its micro-batches, one after another. The gradient becomes the sum over the micro-batches, in
    /// order, of d(sum of token losses / denominator) / d(parameter), the configuration's prediction and balance losses included.
    /// </summary>
    /// <param name="microBatches">The rank's samples.</param>
    /// <param name="denominator">Unmasked tokens of the whole step; 0 where all are masked, and then so is the gradient.</param>
    /// <param name="frozenPrefix">0 freezes nothing; K + 1 freezes the embedding and layers 0 to K, whose part of the gradient is not touched.</param>
    /// <param name="gradient">Flat, as long as the layout says; its old content is of no meaning. A router bias gets 0.</param>
    /// <param name="isZero">The caller vouches that the gradient is +0.0 everywhere, so that it need not be cleared.</param>
    /// <param name="residency">Told which parameters are needed when; null where all of them are in memory. The bits are the same.</param>
    /// <exception cref="BadInputException">A token id outside the vocabulary, or a sequence longer than the model allows.</exception>
    /// <exception cref="OperationCanceledException">The residency says that nobody wants the result any more.</exception>
    public RankResult ComputeRank(IReadOnlyList<MicroBatch> microBatches, long denominator, int frozenPrefix, NativeBuffer gradient, bool isZero = false,
        IParameterResidency? residency = null)
    {
        _layout.RequireLength(gradient, nameof(gradient));
        ArgumentOutOfRangeException.ThrowIfNegative(denominator);
        ArgumentOutOfRangeException.ThrowIfNegative(frozenPrefix);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(frozenPrefix, _layout.Config.NumHiddenLayers);
        TorchRuntime.BindThread();
        foreach (ShardInfo shard in _layout.Shards)
        {
            if (!isZero && !ParameterLayout.IsFrozen(shard, frozenPrefix)) gradient.Slice(shard.Offset, shard.Length).Clear();
        }
        double loss = 0;
        long counted = 0;
        long[] tokensPerExpert = new long[_layout.MoeLayerCount * _layout.Config.NRoutedExperts];
        var side = new SideLosses();
        using IDisposable noGraph = no_grad();
        foreach (MicroBatch batch in microBatches)
        {
            using DisposeScope scope = NewDisposeScope();
            (int[] tokens, int[] targets) = Split(batch);
            // In a step without masks T / denominator is one over its sequences.
            Pass pass = NewPass(batch.Rows, batch.SequenceLength, gradient) with
            {
                SequenceWeight = denominator == 0 ? 0 : (double)batch.SequenceLength / denominator,
                Side = side,
                Recompute = _recompute,
                Residency = residency,
            };
            var (sum, count) = _network.LossAndGradient(pass, tokens, targets, batch.LossMask, denominator, frozenPrefix, tokensPerExpert);
            loss += sum;
            counted += count;
        }
        GC.KeepAlive(gradient); // the blocks work with addresses alone
        GC.KeepAlive(_parameterBuffer);
        return new RankResult(loss, counted, tokensPerExpert) { MtpLossSum = side.PredictionSum, MtpLossTokens = side.PredictionTokens, BalanceLoss = side.Balance };
    }

    /// <summary>The summed cross entropy of a micro-batch's unmasked tokens in nats.</summary>
    /// <exception cref="BadInputException">A token id outside the vocabulary, or a sequence longer than the model allows.</exception>
    public double SumLoss(MicroBatch batch) => Losses(batch).LossSum;

    /// <summary>Continues a prompt.</summary>
    /// <param name="prompt">At least one token id.</param>
    /// <param name="count">How many tokens to add; fewer come back when the model's longest sequence is reached.</param>
    /// <param name="temperature">0 takes the likeliest token; above, draws from softmax(logits / temperature).</param>
    /// <param name="seed">Names the draws.</param>
    /// <returns>The added tokens.</returns>
    /// <exception cref="BadInputException">An empty prompt, a token id outside the vocabulary, or a prompt longer than the model allows.</exception>
    public int[] Generate(int[] prompt, int count, double temperature, ulong seed)
    {
        int longest = _layout.Config.MaxPositionEmbeddings;
        if (prompt.Length == 0) throw new BadInputException("prompt", "no tokens", "at least one");
        Require(1, prompt.Length, prompt);
        using var session = new DecodingSession(_layout, _parameterBuffer, (int)Math.Min(longest, (long)prompt.Length + count));
        return [.. session.Generate(prompt, new TokenSampler(new SamplingOptions { Temperature = temperature, Seed = seed }))];
    }

    /// <summary>Shows what each layer makes of a micro-batch, in order: the residual stream after it, [B, T, hidden].</summary>
    /// <param name="batch">The samples; targets and mask play no part.</param>
    /// <param name="see">Called with a layer's index and values, which it must not keep.</param>
    /// <exception cref="BadInputException">A token id outside the vocabulary, or a sequence longer than the model allows.</exception>
    public void ObserveLayers(MicroBatch batch, LayerObserver see)
    {
        const string Layer = "hidden.layers.";
        Observe(batch.Rows, batch.SequenceLength, Split(batch).Tokens, (name, value) =>
        {
            if (name.StartsWith(Layer, StringComparison.Ordinal)) see(int.Parse(name.AsSpan(Layer.Length), System.Globalization.CultureInfo.InvariantCulture), value.Values());
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _rotary?.Dispose();

    /// <summary>The logits [B T, vocabulary] as the parity vectors have them, and what is inside on the way.</summary>
    internal float[] Observe(int rows, int length, int[] tokens, DeepSeekNetwork.Observer observer)
    {
        TorchRuntime.BindThread();
        Require(rows, length, tokens);
        using IDisposable noGraph = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return _network.Logits(NewPass(rows, length, null), tokens, new long[_layout.MoeLayerCount * _layout.Config.NRoutedExperts], observer).Values().ToArray();
    }

    /// <summary>The summed losses of a micro-batch and of the prediction module, with the tokens that they cover.</summary>
    internal (double LossSum, long Tokens, double MtpLossSum, long MtpTokens) Losses(MicroBatch batch)
    {
        TorchRuntime.BindThread();
        using IDisposable noGraph = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (int[] tokens, int[] targets) = Split(batch);
        Pass pass = NewPass(batch.Rows, batch.SequenceLength, null);
        var (sum, counted) = _network.Loss(pass, tokens, targets, batch.LossMask);
        GC.KeepAlive(_parameterBuffer);
        return (sum, counted, pass.Side.PredictionSum, pass.Side.PredictionTokens);
    }

    private void Require(int rows, int length, ReadOnlySpan<int> tokens)
    {
        if (rows < 1 || length < 1) throw new BadInputException("micro-batch", $"{rows} rows of {length} positions", "at least one of each");
        if (length > _layout.Config.MaxPositionEmbeddings)
            throw new BadInputException("micro-batch", $"a sequence of {length} positions", $"at most max_position_embeddings = {_layout.Config.MaxPositionEmbeddings}");
        _layout.Config.RequireTokens("micro-batch", tokens);
    }

    /// <summary>Inputs and targets, [B, T] each, out of [B, T + 1].</summary>
    private (int[] Tokens, int[] Targets) Split(MicroBatch batch)
    {
        int length = batch.SequenceLength;
        Require(batch.Rows, length, batch.Tokens);
        if (batch.Tokens.Length != batch.Rows * (length + 1) || (batch.LossMask is { } mask && mask.Length != batch.Rows * length))
            throw new BadInputException("micro-batch", $"{batch.Tokens.Length} tokens and {batch.LossMask?.Length.ToString() ?? "no"} mask values",
                $"{batch.Rows} x {length + 1} and {batch.Rows} x {length}");
        int[] tokens = new int[batch.Rows * length], targets = new int[batch.Rows * length];
        for (int row = 0; row < batch.Rows; row++)
        {
            batch.Tokens.AsSpan(row * (length + 1), length).CopyTo(tokens.AsSpan(row * length));
            batch.Tokens.AsSpan((row * (length + 1)) + 1, length).CopyTo(targets.AsSpan(row * length));
        }
        return (tokens, targets);
    }

    private Pass NewPass(int rows, int length, NativeBuffer? gradient)
    {
        if (_rotary is null || _rotary.Positions < length)
        {
            _rotary?.Dispose();
            _rotary = new RotaryTable(_layout.Config, length);
        }
        Workspace.Begin(rows, length);
        return new Pass(new FlatMemory(_parameterBuffer), gradient is null ? default : new FlatMemory(gradient), rows, length, _rotary);
    }
}
