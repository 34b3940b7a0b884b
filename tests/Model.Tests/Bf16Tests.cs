using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;

namespace ElasticTrain.Model.Tests;

/// <summary>Products of bf16 numbers: near those of fp32, and the same bits every time.</summary>
public class Bf16Tests
{
    private static readonly ModelConfig _config = TestModel.Tiny with { NumNextnPredictLayers = 1, AuxLossAlpha = 0.1 };

    [Fact]
    public void Loss_and_gradient_are_near_those_of_fp32_but_not_the_same()
    {
        using var model = new TestModel(_config);
        using var rounded = new ModelReplica(model.Layout, model.Parameters, ComputeKind.Bf16);
        using NativeBuffer exact = new(model.Layout.TotalLength), near = new(model.Layout.TotalLength);
        MicroBatch[] batches = [model.Batch(1), model.Batch(2)];
        RankResult expected = model.Replica.ComputeRank(batches, 128, 0, exact), actual = rounded.ComputeRank(batches, 128, 0, near);
        Assert.NotEqual(expected.LossSum, actual.LossSum);
        Assert.InRange(actual.LossSum / expected.LossSum, 0.999, 1.001);
        Assert.InRange(actual.MtpLossSum / expected.MtpLossSum, 0.999, 1.001);
        // Every matrix takes part; a token that chooses another expert for want of digits moves a few rows.
        foreach (ParameterInfo parameter in model.Layout.Parameters.Where(p => p.Kind == ParameterKind.Weight && !p.Name.Contains(".experts.", StringComparison.Ordinal)))
        {
            double dot = 0, left = 0, right = 0;
            ReadOnlySpan<float> a = model.Slice(exact, parameter.Name), b = model.Slice(near, parameter.Name);
            for (int i = 0; i < a.Length; i++) (dot, left, right) = (dot + ((double)a[i] * b[i]), left + ((double)a[i] * a[i]), right + ((double)b[i] * b[i]));
            Assert.True(dot / Math.Sqrt(left * right) > 0.99, $"{parameter.Name}: cosine {dot / Math.Sqrt(left * right)}");
            Assert.InRange(Math.Sqrt(right / left), 0.95, 1.05);
        }
    }

    [Fact]
    public void Affinities_of_the_router_stay_fp32()
    {
        using var model = new TestModel(_config);
        using var replica = new ModelReplica(model.Layout, model.Parameters, ComputeKind.Bf16);
        float[] before = Scores(replica);
        ParameterInfo gate = model.Layout.Parameters.First(p => p.Name.EndsWith("gate.weight", StringComparison.Ordinal));
        foreach (ref float weight in model.Parameters.Slice(gate.Offset, (int)gate.Length))
            weight = BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(weight) + 0x7FFF + ((BitConverter.SingleToUInt32Bits(weight) >> 16) & 1)) & 0xFFFF_0000);
        // Had the product rounded the weights, nothing would have changed.
        Assert.NotEqual(before, Scores(replica));

        float[] Scores(ModelReplica replica)
        {
            float[] scores = [];
            replica.Observe(2, 32, [.. model.Batch(1, 2, 31).Tokens], (name, value) =>
            {
                if (name.EndsWith("scores", StringComparison.Ordinal) && scores.Length == 0) scores = value.data<float>().ToArray();
            });
            return scores;
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void The_same_bits_from_any_instance_with_and_without_recomputation(int frozenPrefix)
    {
        using var model = new TestModel(_config);
        using ModelReplica one = new(model.Layout, model.Parameters, ComputeKind.Bf16), other = new(model.Layout, model.Parameters, ComputeKind.Bf16, recompute: true);
        MicroBatch[] batches = [model.Batch(1), model.Batch(2)];
        Assert.Equal(model.Compute(one, batches, frozenPrefix).Digest, model.Compute(other, batches, frozenPrefix).Digest);
    }

    [Fact]
    public void Processors_that_have_the_instruction_use_it()
    {
        string flags = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal)) ?? "";
        Assert.Equal(flags.Split(' ').Contains("avx512_bf16"), Bf16Tile.IsAccelerated);
    }
}
