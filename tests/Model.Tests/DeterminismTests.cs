using ElasticTrain.Core;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Tests;

public class DeterminismTests
{
    [Fact]
    public void Fifty_repeats_with_a_busy_heap_give_the_same_bits()
    {
        using var model = new TestModel(TestModel.Tiny);
        MicroBatch[] batches = [model.Batch(1), model.Batch(2)];
        string first = model.Compute(batches).Digest;
        var ballast = new List<NativeBuffer>();
        for (int i = 0; i < 50; i++)
        {
            ballast.Add(new NativeBuffer(1000 + (i * 37))); // shifts the addresses of what comes next
            Assert.Equal(first, model.Compute(batches).Digest);
        }
        foreach (NativeBuffer buffer in ballast) buffer.Dispose();
        Assert.NotEqual(first, model.Compute(batches[1], batches[0]).Digest);
    }

    [Fact]
    public void Two_replicas_in_two_threads_side_by_side_give_the_bits_of_one()
    {
        ModelConfig config = TestModel.Tiny with { HiddenSize = 64, VocabSize = 512 };
        using var model = new TestModel(config);
        MicroBatch[] batches = [model.Batch(1, 4, 64)];
        string expected = model.Compute(batches).Digest;
        string[] found = new string[2];
        Thread[] threads = [.. Enumerable.Range(0, 2).Select(t => new Thread(() =>
        {
            using var replica = new ModelReplica(model.Layout, model.Parameters, ComputeKind.Fp32);
            for (int i = 0; i < 20; i++)
            {
                string digest = model.Compute(replica, batches).Digest;
                found[t] = found[t] is null || found[t] == digest ? digest : "two results in one thread";
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        Assert.Equal([expected, expected], found);
    }

    [Fact]
    public void Odd_alignment_of_the_parameters_does_not_change_a_bit()
    {
        // An odd vocabulary shifts everything behind the embedding by an odd number of values, and changes nothing up to the final norm.
        ModelConfig even = TestModel.Tiny with { HiddenSize = 31, QLoraRank = 13 }, odd = even with { VocabSize = 261 };
        using TestModel a = new(even), b = new(odd);
        foreach (ParameterInfo p in a.Layout.Parameters.Where(p => p.Name != "lm_head.weight"))
            a.Parameters.Slice(p.Offset, (int)p.Length).CopyTo(b.Parameters.Slice(b.Layout[p.Name].Offset, (int)p.Length));
        Assert.NotEqual(a.Layout["model.layers.1.mlp.gate.weight"].Offset % 2, b.Layout["model.layers.1.mlp.gate.weight"].Offset % 2);
        int[] tokens = a.Batch(5).Tokens[..64];
        var states = new Dictionary<string, float[]>();
        a.Replica.Observe(2, 32, tokens, (name, value) => { if (name.StartsWith("hidden", StringComparison.Ordinal)) states[name] = value.Values().ToArray(); });
        b.Replica.Observe(2, 32, tokens, (name, value) => { if (name.StartsWith("hidden", StringComparison.Ordinal)) Assert.Equal(states[name], value.Values().ToArray()); });
        Assert.Equal(5, states.Count);
    }

    [Fact]
    public void Gradients_alternate_between_buffers_without_a_trace_of_the_one_before()
    {
        using var model = new TestModel(TestModel.Tiny);
        MicroBatch[] first = [model.Batch(1)], second = [model.Batch(2)];
        string expectedFirst = model.Compute(first).Digest, expectedSecond = model.Compute(second).Digest;
        using NativeBuffer a = new(model.Layout.TotalLength), b = new(model.Layout.TotalLength);
        a.Span.Fill(float.NaN);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(expectedFirst, model.Digest(model.Replica.ComputeRank(first, 1000, 0, a), a, 0));
            Assert.Equal(expectedSecond, model.Digest(model.Replica.ComputeRank(second, 1000, 0, b), b, 0));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_frozen_prefix_leaves_the_bits_of_the_rest_as_they_are_and_its_own_part_untouched(int frozenPrefix)
    {
        using var model = new TestModel(TestModel.Tiny);
        MicroBatch[] batches = [model.Batch(1), model.Batch(2)];
        using NativeBuffer whole = new(model.Layout.TotalLength), partial = new(model.Layout.TotalLength);
        partial.Span.Fill(float.NaN);
        RankResult expected = model.Replica.ComputeRank(batches, 1000, 0, whole), result = model.Replica.ComputeRank(batches, 1000, frozenPrefix, partial);
        Assert.Equal(model.Digest(expected, whole, frozenPrefix), model.Digest(result, partial, frozenPrefix));
        ShardInfo[] frozen = [.. model.Layout.Shards.Where(shard => ParameterLayout.IsFrozen(shard, frozenPrefix))];
        Assert.NotEmpty(frozen);
        foreach (ShardInfo shard in frozen) Assert.True(partial.Slice(shard.Offset, shard.Length).IndexOfAnyExcept(float.NaN) < 0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Recomputed_activations_give_the_same_bits_and_counts(int frozenPrefix)
    {
        using var model = new TestModel(TestModel.Tiny with { NumNextnPredictLayers = 1, AuxLossAlpha = 0.1 });
        using var sparing = new ModelReplica(model.Layout, model.Parameters, ComputeKind.Fp32, recompute: true);
        MicroBatch[] batches = [model.Batch(1), model.Batch(2)];
        Assert.Equal(model.Compute(model.Replica, batches, frozenPrefix).Digest, model.Compute(sparing, batches, frozenPrefix).Digest);
    }

    [Fact]
    public void Micro_batches_add_up_in_place()
    {
        using var model = new TestModel(TestModel.Tiny);
        MicroBatch a = model.Batch(1), b = model.Batch(2);
        using NativeBuffer ga = new(model.Layout.TotalLength), gb = new(model.Layout.TotalLength), both = new(model.Layout.TotalLength);
        double loss = model.Replica.ComputeRank([a], 128, 0, ga).LossSum + model.Replica.ComputeRank([b], 128, 0, gb).LossSum;
        Assert.Equal(loss, model.Replica.ComputeRank([a, b], 128, 0, both).LossSum);
        for (int i = 0; i < both.Length; i++) Assert.Equal(ga.Span[i] + gb.Span[i], both.Span[i], 1e-7f);
    }
}
