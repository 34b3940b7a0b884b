using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

/// <summary>Checks gradients against differences of the loss, for the variants of the network that the golden vectors do not have.</summary>
public class GradientTests
{
    public static TheoryData<string> Variants => ["queries without compression", "no shared experts", "weights not normalised", "all layers dense", "all layers sparse", "wide values"];

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
            _ => tiny with { VHeadDim = 20, QkRopeHeadDim = 6, QkNopeHeadDim = 10 },
        });
        // Selection is no smooth function: a large bias decides it, so that no small step changes it. The weights still come from the scores.
        foreach (ParameterInfo bias in model.Layout.Parameters.Where(p => p.Kind == ParameterKind.RouterBias))
        {
            for (int e = 0; e < bias.Length; e++) model.Parameters.Span[(int)bias.Offset + e] = 10 * (e % 3);
        }
        MicroBatch batch = model.Batch(3, 2, 17);
        using var gradient = new NativeBuffer(model.Layout.TotalLength);
        model.Replica.ComputeRank([batch], 1, 0, gradient);
        foreach (ParameterInfo p in model.Layout.Parameters.Where(p => p.Kind != ParameterKind.RouterBias))
        {
            float[] slope = gradient.Slice(p.Offset, (int)p.Length).ToArray();
            double norm = Math.Sqrt(slope.Sum(g => (double)g * g));
            if (norm == 0) continue; // an expert without tokens
            double step = Math.Min(0.02 / norm, 0.02); // along the gradient of this parameter alone
            double measured = (Moved(step) - Moved(-step)) / (2 * step);
            Assert.True(Math.Abs(measured - norm) <= 0.02 * norm, $"{p.Name}: {measured} against {norm}");

            double Moved(double distance)
            {
                Span<float> values = model.Parameters.Slice(p.Offset, slope.Length);
                float[] before = values.ToArray();
                for (int i = 0; i < slope.Length; i++) values[i] += (float)(distance * slope[i] / norm);
                double loss = model.Replica.SumLoss(batch);
                before.CopyTo(values);
                return loss;
            }
        }
    }
}
