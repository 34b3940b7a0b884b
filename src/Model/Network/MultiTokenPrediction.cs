using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// The multi-token prediction module (V3 report, section 2.2): position t takes the main model's hidden state of t and the embedding of token t + 1, runs them
/// through one more decoder layer, and predicts token t + 2. Embedding and head are the main model's.
/// </summary>
/// <param name="embedding">The shared embedding.</param>
/// <param name="embeddingNorm">enorm.</param>
/// <param name="hiddenNorm">hnorm.</param>
/// <param name="projection">eh_proj, from [embedding | hidden].</param>
/// <param name="layer">The decoder layer.</param>
/// <param name="norm">shared_head.norm.</param>
/// <param name="head">The shared head.</param>
/// <param name="layers">Layers of the main model.</param>
internal sealed unsafe class MultiTokenPrediction(Embedding embedding, RmsNorm embeddingNorm, RmsNorm hiddenNorm, Linear projection, DecoderLayer layer,
    RmsNorm norm, LanguageModelHead head, int layers)
{
    private readonly int _hidden = projection.Outputs, _head = ParameterSegment.OfLayer(layers), _own = ParameterSegment.OfLayer(layers + 1);

    /// <summary>The segments that a forward and backward pass through the module enters, in this order.</summary>
    internal static int[] Route(int layers) =>
        [ParameterSegment.Embedding, ParameterSegment.OfLayer(layers + 1), ParameterSegment.OfLayer(layers), ParameterSegment.OfLayer(layers + 1)];

    /// <summary>The logits [B (T - 1), vocabulary], from the main model's hidden states [B T, hidden] and tokens [B, T].</summary>
    internal Tensor Logits(Pass main, Tensor hidden, ReadOnlySpan<int> tokens, Span<long> tokensPerExpert, DeepSeekNetwork.Observer observer, Action<Router.Routing> routed)
    {
        Pass pass = main with { Length = main.Length - 1 };
        Tensor x = Project(pass, hidden, Next(pass, tokens)).X;
        observer("hidden.mtp.eh_proj", x);
        (Tensor output, DecoderLayer.Saved saved) = layer.Forward(pass, x, tokensPerExpert);
        observer("hidden.mtp.block", output);
        if (saved.Experts is { } experts) routed(experts.Routing);
        (Tensor normed, _) = norm.Forward(pass, output);
        return head.Logits(pass, normed);
    }

    /// <summary>The summed loss over [B, T - 1] predictions, without a gradient.</summary>
    internal (double LossSum, long Tokens) Loss(Pass main, Tensor hidden, ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask, Span<long> tokensPerExpert)
    {
        Pass pass = main with { Length = main.Length - 1 };
        (Tensor output, _) = layer.Forward(pass, Project(pass, hidden, Next(pass, tokens)).X, tokensPerExpert);
        (Tensor normed, _) = norm.Forward(pass, output);
        return head.Loss(pass, normed, Next(pass, targets), Next(pass, mask), 1, dx: null);
    }

    /// <summary>
    /// Adds the summed loss to the pass, the gradient of (weight x sum) to the weights', and to <paramref name="dHidden"/> the part of the main model's hidden
    /// states.
    /// </summary>
    internal void LossAndGradient(Pass main, Tensor hidden, ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask, double weight,
        bool isEmbeddingFrozen, Tensor dHidden, Span<long> tokensPerExpert)
    {
        using DisposeScope scope = NewDisposeScope();
        Pass pass = main with { Length = main.Length - 1 };
        int n = pass.Tokens;
        int[] next = Next(pass, tokens);
        Projected projected = Project(pass, hidden, next);
        (Tensor output, DecoderLayer.Saved saved) = layer.Forward(pass, projected.X, tokensPerExpert);
        (Tensor normed, Tensor factors) = norm.Forward(pass, output);
        Tensor dNormed = Workspace.EmptyLike(normed), gradient = Workspace.EmptyLike(output);
        pass.Enter(_head);
        (double sum, long counted) = head.Loss(pass, normed, Next(pass, targets), Next(pass, mask), weight, dNormed);
        pass.Enter(_own);
        main.Side.PredictionSum += sum;
        main.Side.PredictionTokens += counted;
        norm.Backward(pass, output, factors, dNormed, gradient);
        layer.Backward(pass, saved, gradient);

        Tensor dPair = Workspace.Empty(n, 2 * _hidden), part = Workspace.Empty(n, _hidden), dInput = Workspace.Empty(n, _hidden);
        projection.BackwardWeight(pass, gradient.Pointer(), projected.Pair.Pointer(), n);
        projection.BackwardInput(pass, gradient.Pointer(), dPair.Pointer(), n);
        Columns(dPair, 0, part);
        embeddingNorm.Backward(pass, projected.Embedded, projected.EmbeddedFactors, part, dInput);
        if (!isEmbeddingFrozen) embedding.Backward(pass, next, dInput);
        Columns(dPair, _hidden, part);
        hiddenNorm.Backward(pass, projected.Hidden, projected.HiddenFactors, part, dInput);
        for (int row = 0; row < pass.Rows; row++)
        {
            float* source = dInput.Pointer() + ((long)row * pass.Length * _hidden), destination = dHidden.Pointer() + ((long)row * main.Length * _hidden);
            RowKernels.Add(source, destination, pass.Length * _hidden);
        }
    }

    /// <summary>What goes into the layer, and what the gradient needs: both inputs, their norms side by side, and the factors.</summary>
    private sealed record Projected(Tensor X, Tensor Embedded, Tensor EmbeddedFactors, Tensor Hidden, Tensor HiddenFactors, Tensor Pair);

    private Projected Project(Pass pass, Tensor mainHidden, int[] next)
    {
        int n = pass.Tokens;
        pass.Enter(ParameterSegment.Embedding);
        Tensor embedded = embedding.Forward(pass, next), hidden = Workspace.Empty(n, _hidden);
        for (int row = 0; row < pass.Rows; row++)
        {
            float* source = mainHidden.Pointer() + ((long)row * (pass.Length + 1) * _hidden), destination = hidden.Pointer() + ((long)row * pass.Length * _hidden);
            RowKernels.Copy(source, destination, pass.Length * _hidden);
        }
        pass.Enter(_own);
        (Tensor normedEmbedding, Tensor embeddedFactors) = embeddingNorm.Forward(pass, embedded);
        (Tensor normedHidden, Tensor hiddenFactors) = hiddenNorm.Forward(pass, hidden);
        Tensor pair = Workspace.Empty(n, 2 * _hidden), x = Workspace.Empty(n, _hidden);
        float* p = pair.Pointer();
        for (int i = 0; i < n; i++, p += 2 * _hidden)
        {
            RowKernels.Copy(normedEmbedding.Pointer() + ((long)i * _hidden), p, _hidden);
            RowKernels.Copy(normedHidden.Pointer() + ((long)i * _hidden), p + _hidden, _hidden);
        }
        projection.Forward(pass, pair.Pointer(), x.Pointer(), n);
        return new Projected(x, embedded, embeddedFactors, hidden, hiddenFactors, pair);
    }

    /// <summary>Half of each row of [N, 2 hidden].</summary>
    private void Columns(Tensor pairs, int first, Tensor part)
    {
        for (int i = 0; i < part.shape[0]; i++) RowKernels.Copy(pairs.Pointer() + ((long)i * 2 * _hidden) + first, part.Pointer() + ((long)i * _hidden), _hidden);
    }

    /// <summary>The values of positions 1 to T - 1 of each row of [B, T]: one position on from those of the module. Nothing stays nothing.</summary>
    private static T[] Next<T>(Pass pass, ReadOnlySpan<T> values)
    {
        if (values.IsEmpty) return [];
        T[] next = new T[pass.Tokens];
        for (int row = 0; row < pass.Rows; row++) values.Slice((row * (pass.Length + 1)) + 1, pass.Length).CopyTo(next.AsSpan(row * pass.Length));
        return next;
    }
}
