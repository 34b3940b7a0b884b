using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

/// <summary>Checks gradients against differences of the loss, for the variants of the network that the golden vectors do not have.</summary>
public class GradientTests
{
    public static TheoryData<string> Variants => [
        "queries without compression", "no shared experts", "weights not normalised", "all layers dense", "all layers sparse", "wide values",
        "two shared experts", "softmax", "softmax, normalised", "group-limited softmax", "sigmoid without bias", "yarn", "yarn with two temperatures", "every second layer sparse",
        "sequence-wise balance", "sequence-wise balance, softmax", "balance over the batch", "prediction", "prediction from the residual stream", "prediction with balance, dense layers",
    ];

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_gradient_is_the_slope_of_the_loss(string variant)
    {
        ModelConfig tiny = TestModel.Tiny with { InitializerRange = 0.15, VocabSize = 64 };
        using var model = new TestModel(variant switch
        {
            "queries without compression" => tiny with { QLoraRank = null },
            "no shared experts" => tiny with { NSharedExperts = 0 },
            "weights not normalised" => tiny with { NormTopkProb = false, RoutedScalingFactor = 1.7 },
            "all layers dense" => tiny with { FirstKDenseReplace = 3 },
            "all layers sparse" => tiny with { FirstKDenseReplace = 0, NRoutedExperts = 6, NGroup = 1, NumExpertsPerTok = 3 },
            "two shared experts" => tiny with { NSharedExperts = 2 },
            "softmax" => tiny with { ScoringFunc = ScoringFunc.Softmax, NormTopkProb = false, RoutedScalingFactor = 1.7 },
            "softmax, normalised" => tiny with { ScoringFunc = ScoringFunc.Softmax, NormTopkProb = true, NumExpertsPerTok = 2 },
            "group-limited softmax" => tiny with { ScoringFunc = ScoringFunc.Softmax, TopkMethod = TopkMethod.GroupLimitedGreedy, NRoutedExperts = 6, NGroup = 3, TopkGroup = 2, NumExpertsPerTok = 3 },
            "sigmoid without bias" => tiny with { TopkMethod = TopkMethod.Greedy },
            "yarn" => tiny with { RopeScaling = new YarnScaling(8, 8, 4, 1, 1, 1) },
            "yarn with two temperatures" => tiny with { RopeScaling = new YarnScaling(8, 8, 4, 1, 2, 0.5), QLoraRank = null },
            "every second layer sparse" => tiny with { FirstKDenseReplace = 0, MoeLayerFreq = 2 },
            "sequence-wise balance" => tiny with { AuxLossAlpha = 5 },
            "sequence-wise balance, softmax" => tiny with { AuxLossAlpha = 5, ScoringFunc = ScoringFunc.Softmax },
            "balance over the batch" => tiny with { AuxLossAlpha = 5, SeqAux = false, ScoringFunc = ScoringFunc.Softmax },
            "prediction" => tiny with { NumNextnPredictLayers = 1, MtpLossWeight = 0.7 },
            "prediction from the residual stream" => tiny with { NumNextnPredictLayers = 1, MtpLossWeight = 0.7, MtpInput = MtpInput.Raw, FirstKDenseReplace = 3, QLoraRank = null },
            "prediction with balance, dense layers" => tiny with { NumNextnPredictLayers = 1, FirstKDenseReplace = 3, AuxLossAlpha = 5 },
            _ => tiny with { VHeadDim = 20, QkRopeHeadDim = 6, QkNopeHeadDim = 10 },
        });
        // Selection is no smooth function: a large bias decides it, so that no small step changes it. The weights still come from the scores.
        foreach (ParameterInfo bias in model.Layout.Parameters.Where(p => p.Kind == ParameterKind.RouterBias))
        {
            for (int e = 0; e < bias.Length; e++) model.Parameters.Span[(int)bias.Offset + e] = 10 * (e % 3);
        }
        MicroBatch batch = model.Batch(3, 2, 17);
        using NativeBuffer gradient = new(model.Layout.TotalLength), ignored = new(model.Layout.TotalLength);
        const int denominator = 2 * 17;
        model.Replica.ComputeRank([batch], denominator, 0, gradient);
        foreach (ParameterInfo p in model.Layout.Parameters.Where(p => p.Kind != ParameterKind.RouterBias))
        {
            float[] slope = gradient.Slice(p.Offset, (int)p.Length).ToArray();
            double norm = Math.Sqrt(slope.Sum(g => (double)g * g));
            if (norm == 0) continue; // an expert without tokens
            double step = Math.Min(0.02 / norm / denominator, 0.02); // along the gradient of this parameter alone
            double measured = (Moved(step) - Moved(-step)) / (2 * step);
            Assert.True(Math.Abs(measured - norm) <= 0.02 * norm, $"{p.Name}: {measured} against {norm}");

            double Moved(double distance)
            {
                Span<float> values = model.Parameters.Slice(p.Offset, slope.Length);
                float[] before = values.ToArray();
                for (int i = 0; i < slope.Length; i++) values[i] += (float)(distance * slope[i] / norm);
                RankResult result = model.Replica.ComputeRank([batch], denominator, 0, ignored);
                before.CopyTo(values);
                double predicted = result.MtpLossTokens == 0 ? 0 : model.Layout.Config.MtpLossWeight * result.MtpLossSum / result.MtpLossTokens;
                return (result.LossSum / denominator) + predicted + result.BalanceLoss;
            }
        }
    }
}
