using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// The whole DeepSeek-V3 decoder (arXiv:2412.19437, sections 2.1 and 2.2) with its backward pass written out. Every weight gradient is one GEMM straight into
/// the flat gradient, what lies between two GEMMs is one pass over the memory, and the order of every addition stands in the code. There is no autograd
/// graph: below a frozen prefix nothing is kept and nothing is computed but the forward pass.
/// </summary>
internal sealed partial class DeepSeekNetwork
{
    private readonly ParameterLayout _layout;
    private readonly ComputeKind _compute;
    private readonly Embedding _embedding;
    private readonly DecoderLayer[] _layers;
    private readonly RmsNorm _norm;
    private readonly LanguageModelHead _head;
    private readonly MultiTokenPrediction? _prediction;

    internal DeepSeekNetwork(ParameterLayout layout, ComputeKind compute)
    {
        (_layout, _compute) = (layout, compute);
        _embedding = new Embedding(Matrix("model.embed_tokens.weight"));
        _layers = [.. Enumerable.Range(0, layout.Config.NumHiddenLayers).Select(Layer)];
        _norm = Norm("model.norm.weight", layout.Config.RmsNormEps);
        _head = new LanguageModelHead(Map("lm_head.weight"));
        if (layout.Config.NumNextnPredictLayers > 0) _prediction = Prediction();
    }

    /// <summary>Called with a name of the parity vectors and a tensor, when somebody wants to see what is inside.</summary>
    internal delegate void Observer(string name, Tensor value);

    /// <summary>The logits [N, vocabulary] of tokens [B, T].</summary>
    internal Tensor Logits(Pass pass, ReadOnlySpan<int> tokens, long[] tokensPerExpert, Observer? observer = null)
    {
        Tensor x = _embedding.Forward(pass, tokens);
        observer?.Invoke("hidden.embed", x);
        for (int i = 0; i < _layers.Length; i++)
        {
            (x, DecoderLayer.Saved saved) = _layers[i].Forward(pass, x, Counts(tokensPerExpert, i));
            observer?.Invoke($"hidden.layers.{i}", x);
            if (observer is not null && saved.Experts is { } experts) Observe(observer, i, experts.Routing);
        }
        (Tensor normed, _) = _norm.Forward(pass, x);
        observer?.Invoke("hidden.final_norm", normed);
        if (observer is not null && _prediction is not null && pass.Length > 1)
        {
            int index = _layers.Length;
            observer("mtp.logits", _prediction.Logits(pass, TakesRaw ? x : normed, tokens, Counts(tokensPerExpert, index), observer, routing => Observe(observer, index, routing)));
        }
        return _head.Logits(pass, normed);
    }

    private bool TakesRaw => _layout.Config.MtpInput == MtpInput.Raw;

    /// <summary>The summed loss of a micro-batch without a gradient; that of the prediction module is added to the pass.</summary>
    internal (double LossSum, long Tokens) Loss(Pass pass, ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask)
    {
        Tensor x = _embedding.Forward(pass, tokens);
        long[] counts = new long[_layout.MoeLayerCount * _layout.Config.NRoutedExperts];
        for (int i = 0; i < _layers.Length; i++) x = Frozen(pass, i, x, counts);
        (Tensor normed, _) = _norm.Forward(pass, x);
        if (_prediction is not null && pass.Length > 1)
        {
            (double sum, long counted) = _prediction.Loss(pass, TakesRaw ? x : normed, tokens, targets, mask, Counts(counts, _layers.Length));
            pass.Side.PredictionSum += sum;
            pass.Side.PredictionTokens += counted;
        }
        return _head.Loss(pass, normed, targets, mask, 1, dx: null);
    }

    /// <summary>
    /// The summed loss of a micro-batch; adds the gradient of (sum / denominator) of everything above the frozen prefix. The prediction module's loss counts
    /// by the mean over its own predictions, of which an unmasked sequence of T positions has T - 1: its denominator is denominator (T - 1) / T.
    /// </summary>
    internal (double LossSum, long Tokens) LossAndGradient(Pass pass, ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask,
        long denominator, int frozenPrefix, long[] tokensPerExpert)
    {
        int trained = frozenPrefix; // K + 1 freezes layers 0 to K: the first trained layer is K + 1
        pass.Residency?.Begin(Route(pass, trained));
        pass.Enter(ParameterSegment.Embedding);
        Tensor x = _embedding.Forward(pass, tokens);
        for (int i = 0; i < trained; i++)
        {
            pass.Enter(ParameterSegment.OfLayer(i));
            x = Frozen(pass, i, x, tokensPerExpert);
        }
        var saved = new DecoderLayer.Saved[_layers.Length];
        var inputs = new Tensor[_layers.Length];
        for (int i = trained; i < _layers.Length; i++)
        {
            pass.Enter(ParameterSegment.OfLayer(i));
            inputs[i] = x;
            if (pass.Recompute) x = Output(pass, i, x, tokensPerExpert);
            else (x, saved[i]) = _layers[i].Forward(pass, x, Counts(tokensPerExpert, i));
        }

        pass.Enter(Head);
        (Tensor normed, Tensor factors) = _norm.Forward(pass, x);
        using Tensor dNormed = Workspace.EmptyLike(normed), gradient = Workspace.EmptyLike(x);
        double weight = denominator == 0 ? 0 : 1.0 / denominator;
        (double, long) loss = _head.Loss(pass, normed, targets, mask, weight, dNormed);
        if (_prediction is not null && !TakesRaw) Predict(normed, dNormed, tokens, targets, mask);
        pass.Enter(Head);
        _norm.Backward(pass, x, factors, dNormed, gradient);
        if (_prediction is not null && TakesRaw) Predict(x, gradient, tokens, targets, mask);
        long[] again = pass.Recompute ? new long[tokensPerExpert.Length] : []; // the counts are those of the first time
        for (int i = _layers.Length - 1; i >= trained; i--)
        {
            pass.Enter(ParameterSegment.OfLayer(i));
            if (pass.Recompute)
            {
                (Tensor output, saved[i]) = _layers[i].Forward(pass, inputs[i], Counts(again, i));
                output.Dispose();
            }
            _layers[i].Backward(pass, saved[i], gradient);
        }
        pass.Residency?.End();
        if (frozenPrefix == 0) _embedding.Backward(pass, tokens, gradient); // needs no weights
        return loss;

        void Predict(Tensor hidden, Tensor dHidden, ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask)
        {
            if (!Predicts(pass)) return;
            double mean = weight * pass.Length / (pass.Length - 1);
            _prediction!.LossAndGradient(pass, hidden, tokens, targets, mask, _layout.Config.MtpLossWeight * mean, frozenPrefix > 0, dHidden,
                Counts(tokensPerExpert, _layers.Length));
        }
    }

    private int Head => ParameterSegment.OfLayer(_layers.Length);

    /// <summary>With one token there is none after the next.</summary>
    private bool Predicts(Pass pass) => _prediction is not null && pass.Length > 1;

    /// <summary>The segments of a forward and backward pass in the order in which they are entered, one after another: every layer twice but the frozen ones.</summary>
    private List<int> Route(Pass pass, int trained)
    {
        IEnumerable<int> layers = Enumerable.Range(0, _layers.Length).Select(ParameterSegment.OfLayer);
        List<int> route = [ParameterSegment.Embedding, .. layers, Head];
        if (Predicts(pass))
        {
            route.AddRange(MultiTokenPrediction.Route(_layers.Length));
            if (!TakesRaw) route.Add(Head);
        }
        route.AddRange(layers.Skip(trained).Reverse());
        return route;
    }

    /// <summary>A layer's output with everything else released, its input as well.</summary>
    private Tensor Frozen(Pass pass, int layer, Tensor x, long[] tokensPerExpert)
    {
        Tensor output = Output(pass, layer, x, tokensPerExpert);
        x.Dispose();
        return output;
    }

    /// <summary>A layer's output with everything that the layer keeps released.</summary>
    private Tensor Output(Pass pass, int layer, Tensor x, long[] tokensPerExpert)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor output, _) = _layers[layer].Forward(pass, x, Counts(tokensPerExpert, layer));
        return output.MoveToOuterDisposeScope();
    }

    private Span<long> Counts(long[] tokensPerExpert, int layer) => _layout.Config.IsMoe(layer)
        ? tokensPerExpert.AsSpan(_layout.MoeLayerIndex(layer) * _layout.Config.NRoutedExperts, _layout.Config.NRoutedExperts)
        : [];

    private static void Observe(Observer observer, int layer, Router.Routing routing)
    {
        long[] shape = [routing.Scores.shape[0], routing.Experts.Length / routing.Scores.shape[0]];
        using Tensor experts = tensor(routing.Experts).view(shape), weights = tensor(routing.Weights).view(shape);
        observer($"router.layers.{layer}.scores", routing.Scores);
        observer($"router.layers.{layer}.topk_indices", experts);
        observer($"router.layers.{layer}.topk_weights", weights);
    }

    private DecoderLayer Layer(int index)
    {
        ModelConfig c = _layout.Config;
        string layer = ModelConfig.LayerPrefix(index), attention = layer + "self_attn.", mlp = layer + "mlp.";
        bool compressed = c.QLoraRank is not null;
        // Upstream fixes the epsilon of the two norms inside attention.
        var latentAttention = new LatentAttention(c, _compute,
            Map(attention + (compressed ? "q_a_proj.weight" : "q_proj.weight"), attention + "kv_a_proj_with_mqa.weight"),
            compressed ? Norm(attention + "q_a_layernorm.weight", 1e-6) : null,
            compressed ? Map(attention + "q_b_proj.weight") : null,
            Norm(attention + "kv_a_layernorm.weight", 1e-6),
            Map(attention + "kv_b_proj.weight"), Map(attention + "o_proj.weight"));
        RmsNorm input = Norm(layer + "input_layernorm.weight", c.RmsNormEps), post = Norm(layer + "post_attention_layernorm.weight", c.RmsNormEps);
        if (!c.IsMoe(index)) return new DecoderLayer(input, latentAttention, post, FeedForward(mlp), null);
        var router = new Router(c, new Linear(Matrix(mlp + "gate.weight"), ComputeKind.Fp32), c.HasRouterBias ? _layout[mlp + "gate.e_score_correction_bias"] : null);
        string[] experts = [.. Enumerable.Range(0, c.NRoutedExperts).Select(e => string.Create(CultureInfo.InvariantCulture, $"{mlp}experts.{e}."))];
        return new DecoderLayer(input, latentAttention, post, null, new MixtureOfExperts(c, router,
            [.. experts.Select(expert => Map(expert + "gate_proj.weight", expert + "up_proj.weight"))],
            [.. experts.Select(expert => Map(expert + "down_proj.weight"))],
            c.NSharedExperts > 0 ? FeedForward(mlp + "shared_experts.") : null));
    }

    private MultiTokenPrediction Prediction()
    {
        ModelConfig c = _layout.Config;
        string layer = ModelConfig.LayerPrefix(c.NumHiddenLayers);
        return new MultiTokenPrediction(_embedding, Norm(layer + "enorm.weight", c.RmsNormEps), Norm(layer + "hnorm.weight", c.RmsNormEps), Map(layer + "eh_proj.weight"),
            Layer(c.NumHiddenLayers), Norm(layer + "shared_head.norm.weight", c.RmsNormEps), _head, c.NumHiddenLayers);
    }

    private SwiGlu FeedForward(string prefix) => new(Map(prefix + "gate_proj.weight", prefix + "up_proj.weight"), Map(prefix + "down_proj.weight"));

    private RmsNorm Norm(string name, double epsilon) => new(_layout[name], epsilon);

    private Linear Map(params string[] names) => new(Matrix(names), _compute);

    /// <summary>One matrix, or several that lie next to each other and share their inputs.</summary>
    private MatrixRef Matrix(params string[] names)
    {
        ParameterInfo first = _layout[names[0]];
        long rows = 0;
        foreach (string name in names)
        {
            ParameterInfo part = _layout[name];
            if (part.Offset != first.Offset + (rows * first.Shape[1]) || part.Shape[1] != first.Shape[1])
                throw new InvalidOperationException($"{name} does not follow {names[0]} in the layout.");
            rows += part.Shape[0];
        }
        return new MatrixRef(first.Offset, checked((int)rows), (int)first.Shape[1]);
    }
}
