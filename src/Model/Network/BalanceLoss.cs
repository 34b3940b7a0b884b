using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Network;

/// <summary>What a rank's losses add up to beside the main one.</summary>
internal sealed class SideLosses
{
    /// <summary>The balance losses of all routed layers, each sequence weighted by its share of the step.</summary>
    internal double Balance { get; set; }

    /// <summary>Summed cross entropy of the prediction module, nats.</summary>
    internal double PredictionSum { get; set; }

    /// <summary>Predictions in that sum.</summary>
    internal long PredictionTokens { get; set; }
}

/// <summary>
/// The sequence-wise balance loss of the V3 report, equations 17 to 20: alpha sum over experts of f P, f being the share of tokens that chose the expert times
/// E / k, P the mean of its normalised affinity. Only P has a gradient. DeepSeek-V2's auxiliary loss (arXiv:2405.04434, equation 23 to 25) is the same
/// over softmax affinities, which are normalised already; without seq_aux it looks at the whole micro-batch as one.
/// </summary>
internal static unsafe class BalanceLoss
{
    /// <summary>Adds the loss to the pass, and its gradient to that of the scores [N, E].</summary>
    internal static void AddGradient(ModelConfig config, Pass pass, Router.Routing routing, float* dScores)
    {
        int length = config.SeqAux ? pass.Length : pass.Tokens, groups = pass.Tokens / length;
        double weight = config.AuxLossAlpha * pass.SequenceWeight * pass.Rows / groups;
        for (int group = 0; group < groups; group++) AddGradient(config, pass, routing, dScores, (long)group * length, length, weight);
    }

    private static void AddGradient(ModelConfig config, Pass pass, Router.Routing routing, float* dScores, long first, int length, double weight)
    {
        int experts = config.NRoutedExperts, chosen = config.NumExpertsPerTok;
        bool isNormed = config.ScoringFunc == ScoringFunc.Softmax;
        float* s = routing.Scores.Pointer() + (first * experts), d = dScores + (first * experts);
        double[] slope = new double[experts]; // of the loss by the normalised affinity of any one token: weight f / T
        foreach (int expert in routing.Experts.AsSpan((int)first * chosen, length * chosen)) slope[expert]++;
        for (int e = 0; e < experts; e++) slope[e] *= weight * experts / ((double)chosen * length * length);
        double loss = 0;
        for (int t = 0; t < length; t++, s += experts, d += experts)
        {
            double sum = 0, dot = 0;
            for (int e = 0; e < experts; e++)
            {
                sum += s[e];
                dot += slope[e] * s[e];
            }
            if (isNormed) loss += dot;
            else loss += dot /= sum;
            for (int e = 0; e < experts; e++) d[e] += (float)(isNormed ? slope[e] : (slope[e] - dot) / sum);
        }
        pass.Side.Balance += loss;
    }
}
