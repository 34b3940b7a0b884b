using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

/// <summary>A small model with random parameters and random samples, all named by a seed.</summary>
internal sealed class TestModel : IDisposable
{
    internal TestModel(ModelConfig config, ulong seed = 1)
    {
        Layout = ParameterLayout.Create(config);
        Parameters = new NativeBuffer(Layout.TotalLength);
        foreach (ShardInfo shard in Layout.Shards) Layout.Initialize(shard.Id, seed, Parameters.Slice(shard.Offset, shard.Length));
        Replica = new ModelReplica(Layout, Parameters, ComputeKind.Fp32);
    }

    internal ParameterLayout Layout { get; }
    internal NativeBuffer Parameters { get; }
    internal ModelReplica Replica { get; }

    internal static ModelConfig Tiny => ModelConfig.Preset("tiny");

    internal MicroBatch Batch(ulong seed, int rows = 2, int length = 32, byte[]? mask = null)
    {
        int[] tokens = new int[rows * (length + 1)];
        for (int i = 0; i < tokens.Length; i++) tokens[i] = (int)(CounterRandom.Bits(seed, (ulong)i) % (ulong)Layout.Config.VocabSize);
        return new MicroBatch(rows, length, tokens, mask);
    }

    internal (RankResult Result, string Digest) Compute(params MicroBatch[] batches) => Compute(Replica, batches);

    internal (RankResult Result, string Digest) Compute(ModelReplica replica, MicroBatch[] batches, int frozenPrefix = 0)
    {
        using var gradient = new NativeBuffer(Layout.TotalLength);
        RankResult result = replica.ComputeRank(batches, 1000, frozenPrefix, gradient);
        return (result, Digest(result, gradient, frozenPrefix));
    }

    /// <summary>A digest of the loss bits, the counts and the gradient of what is not frozen.</summary>
    internal string Digest(RankResult result, NativeBuffer gradient, int frozenPrefix)
    {
        using var builder = new DigestBuilder();
        builder.Add(BitConverter.DoubleToInt64Bits(result.LossSum)).Add(result.LossTokens);
        foreach (long count in result.TokensPerExpert) builder.Add(count);
        foreach (ShardInfo shard in Layout.Shards)
        {
            if (!ParameterLayout.IsFrozen(shard, frozenPrefix))
                builder.Add(System.Runtime.InteropServices.MemoryMarshal.AsBytes(gradient.Slice(shard.Offset, shard.Length)));
        }
        return builder.Finish().ToString();
    }

    internal ReadOnlySpan<float> Slice(NativeBuffer buffer, string name) => buffer.Slice(Layout[name].Offset, (int)Layout[name].Length);

    public void Dispose()
    {
        Replica.Dispose();
        Parameters.Dispose();
    }
}
