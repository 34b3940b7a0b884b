using System.Runtime.Intrinsics;
using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// Chooses each token's experts. V3 (report, section 2.1.2): affinity s = sigmoid(W x); selection by s + bias within the best groups, a group being worth the
/// sum of its two best; weights from s without the bias. V2 (arXiv:2405.04434, section 2.2): s = softmax(W x), no bias, a group being worth its best
/// expert, or no groups. Equal candidates: the lower expert id wins.
/// </summary>
/// <param name="config">Sizes.</param>
/// <param name="gate">The affinities, a map to [E].</param>
/// <param name="bias">The selection bias [E]; null for a method without one.</param>
internal sealed unsafe class Router(ModelConfig config, Linear gate, ParameterInfo? bias)
{
    private readonly int _experts = config.NRoutedExperts, _chosen = config.NumExpertsPerTok, _groups = config.NGroup, _keptGroups = config.TopkGroup;
    private readonly bool _isSigmoid = config.ScoringFunc == ScoringFunc.Sigmoid, _sumsTwo = config.TopkMethod == TopkMethod.NoauxTc;
    private readonly float _scale = (float)config.RoutedScalingFactor;

    /// <summary>Scores [N, E]; chosen experts and their weights, row-major [N, k], in the order of selection.</summary>
    internal sealed record Routing(Tensor Scores, int[] Experts, float[] Weights);

    /// <summary>Routes x [N, hidden].</summary>
    internal Routing Forward(Pass pass, Tensor x)
    {
        int n = pass.Tokens;
        Tensor scores = Workspace.Empty(n, _experts);
        float* s = scores.Pointer(), b = bias is null ? null : pass.Parameters.At(bias.Offset);
        gate.Forward(pass, x.Pointer(), s, n);
        if (_isSigmoid) ToSigmoid(s, (long)n * _experts);
        else ToSoftmax(s, n);
        int[] experts = new int[n * _chosen];
        float[] weights = new float[n * _chosen];
        float* candidates = stackalloc float[_experts + _groups];
        for (int t = 0; t < n; t++, s += _experts)
        {
            for (int e = 0; e < _experts; e++) candidates[e] = Candidate(b == null ? s[e] : s[e] + b[e]);
            if (config.SelectsGroups) CloseGroups(candidates);
            float sum = 0;
            for (int j = 0; j < _chosen; j++)
            {
                int best = TakeBest(candidates, _experts);
                experts[(t * _chosen) + j] = best;
                weights[(t * _chosen) + j] = s[best];
                sum += s[best];
            }
            float factor = config.NormTopkProb ? _scale / (sum + 1e-20f) : _scale;
            for (int j = 0; j < _chosen; j++) weights[(t * _chosen) + j] *= factor;
        }
        return new Routing(scores, experts, weights);
    }

    /// <summary>Writes the gradient of x [N, hidden], from the gradient of the weights [N, k]; the selection itself has none.</summary>
    internal void Backward(Pass pass, Routing routing, Tensor x, ReadOnlySpan<float> dWeights, Tensor dx)
    {
        int n = pass.Tokens;
        using Tensor dLogits = Workspace.Zeros(n, _experts);
        float* s = routing.Scores.Pointer(), d = dLogits.Pointer();
        for (int t = 0; t < n; t++, s += _experts, d += _experts)
        {
            ReadOnlySpan<int> experts = routing.Experts.AsSpan(t * _chosen, _chosen);
            ReadOnlySpan<float> dWeight = dWeights.Slice(t * _chosen, _chosen);
            float sum = 0, dot = 0;
            for (int j = 0; j < _chosen; j++)
            {
                sum += s[experts[j]];
                dot += s[experts[j]] * dWeight[j];
            }
            sum += 1e-20f;
            for (int j = 0; j < _chosen; j++) d[experts[j]] = config.NormTopkProb ? _scale * (dWeight[j] - (dot / sum)) / sum : _scale * dWeight[j];
        }
        if (config.AuxLossAlpha > 0) BalanceLoss.AddGradient(config, pass, routing, dLogits.Pointer());
        ToLogits(routing.Scores.Pointer(), dLogits.Pointer(), n);
        routing.Scores.Dispose();
        gate.BackwardWeight(pass, dLogits.Pointer(), x.Pointer(), n);
        gate.BackwardInput(pass, dLogits.Pointer(), dx.Pointer(), n);
    }

    /// <summary>Sets the candidates of all but the best groups to minus infinity.</summary>
    private void CloseGroups(float* candidates)
    {
        int size = _experts / _groups;
        float* worth = candidates + _experts;
        for (int g = 0; g < _groups; g++)
        {
            float first = float.NegativeInfinity, second = float.NegativeInfinity;
            for (int e = g * size; e < (g + 1) * size; e++)
            {
                if (candidates[e] > first) (first, second) = (candidates[e], first);
                else if (candidates[e] > second) second = candidates[e];
            }
            worth[g] = Candidate(size > 1 && _sumsTwo ? first + second : first);
        }
        ulong* open = stackalloc ulong[(_groups + 63) / 64];
        new Span<ulong>(open, (_groups + 63) / 64).Clear();
        for (int j = 0; j < _keptGroups; j++)
        {
            int best = TakeBest(worth, _groups);
            open[best / 64] |= 1UL << (best % 64);
        }
        for (int g = 0; g < _groups; g++)
        {
            if ((open[g / 64] >> (g % 64) & 1) == 0) new Span<float>(candidates + (g * size), size).Fill(float.NegativeInfinity);
        }
    }

    /// <summary>Index of the largest value, the lowest of equals; the value becomes minus infinity, so that it is not found again.</summary>
    private static int TakeBest(float* values, int count)
    {
        int best = 0;
        for (int i = 1; i < count; i++)
        {
            if (values[i] > values[best]) best = i;
        }
        values[best] = float.NegativeInfinity;
        return best;
    }

    /// <summary>
    /// A value that is not a number, as diverged parameters make it, ranks first, so that it reaches the loss and is seen; the others rank
    /// above what is closed or taken.
    /// </summary>
    private static float Candidate(float value) => float.IsNaN(value) ? float.MaxValue : Math.Clamp(value, float.MinValue, float.MaxValue);

    private void ToSoftmax(float* logits, int rows)
    {
        for (int t = 0; t < rows; t++) SoftmaxKernel.Forward(logits + ((long)t * _experts), _experts, _experts, 1);
    }

    /// <summary>Turns the gradient of the scores [N, E] into that of the logits, in place.</summary>
    private void ToLogits(float* s, float* d, int rows)
    {
        if (_isSigmoid)
        {
            for (long i = 0; i < (long)rows * _experts; i++) d[i] = d[i] * s[i] * (1 - s[i]);
            return;
        }
        for (long first = 0; first < (long)rows * _experts; first += _experts) SoftmaxKernel.Backward(s + first, d + first, _experts, _experts, 1);
    }

    private static void ToSigmoid(float* values, long count)
    {
        long i = 0;
        for (; i <= count - 8; i += 8) VectorMath.Sigmoid(Vector256.Load(values + i)).Store(values + i);
        if (i < count) VectorMath.StorePart(VectorMath.Sigmoid(VectorMath.LoadPart(values + i, (int)(count - i))), values + i, (int)(count - i));
    }
}
