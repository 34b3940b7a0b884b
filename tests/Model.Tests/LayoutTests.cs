using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

public class LayoutTests
{
    public static TheoryData<string> Presets => [.. ModelConfig.PresetNames];

    [Theory]
    [MemberData(nameof(Presets))]
    public void Shards_and_parameters_cover_the_buffer_without_gaps(string preset)
    {
        ParameterLayout layout = ParameterLayout.Create(ModelConfig.Preset(preset));
        long position = 0;
        foreach (ShardInfo shard in layout.Shards)
        {
            Assert.Equal(position, shard.Offset);
            long inside = shard.Offset;
            foreach (ParameterInfo p in layout.ParametersOf(shard.Id))
            {
                Assert.Equal((inside, shard.Layer), (p.Offset, p.Layer));
                Assert.Equal(shard.Kind == ShardKind.Expert, p.Expert >= 0);
                inside += p.Length;
            }
            position += shard.Length;
            Assert.Equal(position, inside);
        }
        Assert.Equal(layout.TotalLength, position);
        Assert.Equal(layout.Canonical(), ParameterLayout.Create(ModelConfig.Preset(preset)).Canonical());
        Assert.Equal(Enumerable.Range(0, layout.Shards.Count), layout.Shards.Select(shard => shard.Id.Value));
    }

    [Fact]
    public void Expert_shards_hold_whole_experts_of_about_sixteen_megabytes()
    {
        ParameterLayout layout = ParameterLayout.Create(ModelConfig.Preset("micro") with { HiddenSize = 2048, MoeIntermediateSize = 512, NumHiddenLayers = 2, NRoutedExperts = 12, NGroup = 1, TopkGroup = 1 });
        ShardInfo[] experts = [.. layout.Shards.Where(shard => shard.Kind == ShardKind.Expert)];
        Assert.Equal([(0, 1), (1, 1)], experts.Take(2).Select(shard => (shard.FirstExpert, shard.ExpertCount)));
        Assert.Equal(12, experts.Sum(shard => shard.ExpertCount));
        Assert.Single(ParameterLayout.Create(ModelConfig.Preset("nano")).Shards, shard => shard is { Kind: ShardKind.Expert, Layer: 1 });
    }

    [Fact]
    public void A_frozen_prefix_takes_the_embedding_and_the_layers_up_to_it()
    {
        ParameterLayout layout = ParameterLayout.Create(ModelConfig.Preset("tiny"));
        int[] Frozen(int prefix) => [.. layout.Shards.Where(shard => ParameterLayout.IsFrozen(shard, prefix)).Select(shard => shard.Layer).Distinct()];
        Assert.Empty(Frozen(0));
        Assert.Equal([-1, 0], Frozen(1));
        Assert.Equal([-1, 0, 1, 2], Frozen(3));
    }

    [Fact]
    public void Initial_values_depend_on_seed_and_name_only_and_look_normal()
    {
        ParameterLayout nano = ParameterLayout.Create(ModelConfig.Preset("nano")), other = ParameterLayout.Create(ModelConfig.Preset("nano") with { NumHiddenLayers = 2 });
        float[] Values(ParameterLayout layout, string name, ulong seed)
        {
            ShardInfo shard = layout.Shards[layout[name].Shard.Value];
            float[] values = new float[shard.Length];
            layout.Initialize(shard.Id, seed, values);
            return values[(int)(layout[name].Offset - shard.Offset)..][..(int)layout[name].Length];
        }
        float[] weights = Values(nano, "model.layers.1.mlp.experts.3.up_proj.weight", 7);
        Assert.Equal(weights, Values(other, "model.layers.1.mlp.experts.3.up_proj.weight", 7));
        Assert.NotEqual(weights, Values(nano, "model.layers.1.mlp.experts.3.up_proj.weight", 8));
        Assert.NotEqual(weights, Values(nano, "model.layers.1.mlp.experts.4.up_proj.weight", 7));
        double mean = weights.Average(), deviation = Math.Sqrt(weights.Average(w => (w - mean) * (w - mean)));
        Assert.Equal(0, mean, 0.02 * 4 / Math.Sqrt(weights.Length));
        Assert.InRange(deviation, 0.0195, 0.0205);
        Assert.InRange(weights.Count(w => Math.Abs(w) < 0.02) / (double)weights.Length, 0.67, 0.695);
        Assert.All(Values(nano, "model.norm.weight", 7), w => Assert.Equal(1f, w));
        Assert.All(Values(nano, "model.layers.1.mlp.gate.e_score_correction_bias", 7), w => Assert.Equal(0f, w));
    }

    [Fact]
    public void The_bits_of_the_initial_values_are_these()
    {
        ParameterLayout layout = ParameterLayout.Create(ModelConfig.Preset("tiny"));
        using var builder = new DigestBuilder();
        foreach (ShardInfo shard in layout.Shards)
        {
            float[] values = new float[shard.Length];
            layout.Initialize(shard.Id, 1234, values);
            builder.Add(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        }
        Assert.Equal("2291f9738553f6356b5d9ab9ec4197c51368eddfc2d92c55589f5ea8022ef095", builder.Finish().ToString());
    }

    [Fact]
    public void Elementary_functions_agree_with_the_system_to_the_last_digits()
    {
        for (int i = 1; i < 20000; i++)
        {
            double x = i * 0.7310585;
            Assert.Equal(Math.Log(x), DeterministicMath.Log(x), 4e-15);
            Assert.Equal(1.0, DeterministicMath.Log(1 / x) / -Math.Log(x), 1e-14);
            var (sin, cos) = DeterministicMath.SinCos(x);
            Assert.Equal(Math.Sin(x), sin, 4e-15);
            Assert.Equal(Math.Cos(x), cos, 4e-15);
            double y = (i - 10000) * 0.01;
            Assert.Equal(1.0, DeterministicMath.Exp(y) / Math.Exp(y), 1e-13);
        }
    }
}
