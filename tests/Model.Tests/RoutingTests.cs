using ElasticTrain.Core;
using ElasticTrain.Model.Network;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Tests;

public class RoutingTests
{
    [Fact]
    public void An_expert_without_tokens_has_exactly_zero_gradient()
    {
        using var model = new TestModel(TestModel.Tiny with { NGroup = 1 });
        Bias(model, 1)[2] = -10; // scores are within (0, 1): never chosen
        using var gradient = new NativeBuffer(model.Layout.TotalLength);
        RankResult result = model.Replica.ComputeRank([model.Batch(1)], 64, 0, gradient);
        Assert.Equal(0, result.TokensPerExpert[2]);
        Assert.Equal(128, result.TokensPerExpert[..4].Sum());
        foreach (string part in (string[])["gate_proj", "up_proj", "down_proj"])
        {
            foreach (float value in model.Slice(gradient, $"model.layers.1.mlp.experts.2.{part}.weight")) Assert.Equal(0u, BitConverter.SingleToUInt32Bits(value));
            Assert.True(model.Slice(gradient, $"model.layers.1.mlp.experts.0.{part}.weight").IndexOfAnyExcept(0f) >= 0);
        }
    }

    [Fact]
    public void An_expert_with_one_token_gets_that_tokens_gradient()
    {
        using var model = new TestModel(TestModel.Tiny with { NGroup = 1, NumExpertsPerTok = 1 });
        MicroBatch batch = model.Batch(1);
        // Lower the bias of expert 3 until only its best token is left, then raise it a hair above.
        float[] scores = [];
        model.Replica.Observe(2, 32, [.. batch.Tokens.Chunk(33).SelectMany(row => row[..32])], (name, value) => { if (name == "router.layers.1.scores") scores = value.Values().ToArray(); });
        float[] lead = [.. scores.Chunk(4).Select(s => s[3] - Math.Max(s[0], Math.Max(s[1], s[2]))).OrderDescending()];
        Bias(model, 1)[3] = -(lead[0] + lead[1]) / 2;
        using var gradient = new NativeBuffer(model.Layout.TotalLength);
        RankResult result = model.Replica.ComputeRank([batch], 64, 0, gradient);
        Assert.Equal(1, result.TokensPerExpert[3]);
        Assert.True(model.Slice(gradient, "model.layers.1.mlp.experts.3.down_proj.weight").IndexOfAnyExcept(0f) >= 0);
        // One token's gradient of down is an outer product: every 2 x 2 minor vanishes.
        ReadOnlySpan<float> down = model.Slice(gradient, "model.layers.1.mlp.experts.3.down_proj.weight");
        for (int row = 1; row < 32; row++)
        {
            double minor = ((double)down[0] * down[(row * 16) + 1]) - ((double)down[1] * down[row * 16]);
            Assert.True(Math.Abs(minor) <= 1e-6 * (Math.Abs((double)down[0] * down[(row * 16) + 1]) + 1e-12));
        }
        Assert.Equal(model.Compute(batch).Digest, model.Compute(batch).Digest);
    }

    [Fact]
    public void Of_equal_candidates_the_lower_expert_id_wins()
    {
        using var model = new TestModel(TestModel.Tiny with { NGroup = 1, NRoutedExperts = 8, NumExpertsPerTok = 3 });
        ParameterInfo gate = model.Layout["model.layers.1.mlp.gate.weight"];
        model.Parameters.Slice(gate.Offset, (int)gate.Length).Clear(); // every score is 0.5
        RankResult result = model.Compute(model.Batch(1)).Result;
        Assert.Equal([64, 64, 64, 0, 0, 0, 0, 0], result.TokensPerExpert[..8]);
    }

    [Fact]
    public void Tokens_go_only_to_experts_of_the_kept_groups()
    {
        using var model = new TestModel(TestModel.Tiny with { NRoutedExperts = 8, NGroup = 4, TopkGroup = 1, NumExpertsPerTok = 2 });
        model.Replica.Observe(2, 32, model.Batch(1).Tokens[..64], (name, value) =>
        {
            if (!name.EndsWith("topk_indices", StringComparison.Ordinal)) return;
            foreach (int[] pair in value.data<int>().ToArray().Chunk(2)) Assert.Equal(pair[0] / 2, pair[1] / 2);
        });
    }

    [Fact]
    public void Dispatch_is_a_stable_sort_and_its_inverse()
    {
        var dispatch = new ExpertDispatch([2, 0, 1, 2, 0, 2], 2, 4);
        Assert.Equal([0, 2, 1, 0, 1, 2], dispatch.TokenOfRow);
        Assert.Equal([3, 0, 2, 4, 1, 5], dispatch.RowOfChoice);
        Assert.Equal((0, 2), dispatch.Rows(0));
        Assert.Equal((2, 1), dispatch.Rows(1));
        Assert.Equal((3, 3), dispatch.Rows(2));
        Assert.Equal((6, 0), dispatch.Rows(3));
    }

    [Fact]
    public void Parameters_that_are_not_finite_give_a_loss_that_says_so()
    {
        using var model = new TestModel(TestModel.Tiny);
        model.Parameters.Slice(model.Layout["model.layers.1.mlp.gate.weight"].Offset, 5).Fill(float.NaN);
        Assert.False(double.IsFinite(model.Compute(model.Batch(1)).Result.LossSum));
    }

    private static Span<float> Bias(TestModel model, int layer)
    {
        ParameterInfo bias = model.Layout[$"model.layers.{layer}.mlp.gate.e_score_correction_bias"];
        return model.Parameters.Slice(bias.Offset, (int)bias.Length);
    }
}
