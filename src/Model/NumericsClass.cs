using System.Runtime.InteropServices;
using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model;

/// <summary>
/// Names the arithmetic of this machine: two machines with the same class compute the same bits. The golden probe runs what training runs, on
/// inputs from the counter-based generator, and hashes the results together with the library versions.
/// </summary>
public static class NumericsClass
{
    private const ulong Key = 0x6e756d6572696373;

    /// <summary>Runs the probe, in less than half a second once torch is loaded.</summary>
    /// <param name="compute">What the run multiplies; every kind is a class of its own.</param>
    public static Digest256 Probe(ComputeKind compute)
    {
        TorchRuntime.BindThread();
        using var digest = new DigestBuilder();
        digest.Add("numerics/2").Add(typeof(torch).Assembly.GetName().Version!.ToString()).Add(torch.__version__);
        using IDisposable noGraph = no_grad();
        using DisposeScope scope = NewDisposeScope();
        if (compute != ComputeKind.Fp32) digest.Add(compute.ToString());
        Products(digest, compute);
        Rank(digest, compute);
        return digest.Finish();
    }

    /// <summary>GEMMs with 0 to 16 rows, which use every tile, and a few larger ones; plain and accumulating.</summary>
    private static unsafe void Products(DigestBuilder digest, ComputeKind compute)
    {
        foreach (int rows in (int[])[.. Enumerable.Range(0, 17), 31, 64, 129])
        {
            using NativeBuffer a = Draw(1, rows * 700), b = Draw(2, 144 * 700), product = new(rows * 144);
            Gemm.Multiply((float*)a.Address, 700, false, (float*)b.Address, 700, true, (float*)product.Address, 144, rows, 144, 700, compute: compute);
            digest.Add(MemoryMarshal.AsBytes(product.Span));
            Gemm.Multiply((float*)product.Address, 144, true, (float*)a.Address, 700, false, (float*)b.Address, 700, 144, 700, rows, add: true, compute);
            digest.Add(MemoryMarshal.AsBytes(b.Span));
        }
    }

    /// <summary>A whole rank of a small network: norms, rotation, attention over several blocks, routing, experts, cross entropy, every gradient.</summary>
    private static void Rank(DigestBuilder digest, ComputeKind compute)
    {
        ParameterLayout layout = ParameterLayout.Create(ModelConfig.Preset("tiny"));
        using NativeBuffer parameters = new(layout.TotalLength), gradient = new(layout.TotalLength);
        foreach (ShardInfo shard in layout.Shards) layout.Initialize(shard.Id, Key, parameters.Slice(shard.Offset, shard.Length));
        int[] tokens = new int[2 * 151];
        for (int i = 0; i < tokens.Length; i++) tokens[i] = (int)(CounterRandom.Bits(Key, (ulong)i) % 256);
        using var replica = new ModelReplica(layout, parameters, compute);
        RankResult result = replica.ComputeRank([new MicroBatch(2, 150, tokens, null), new MicroBatch(1, 5, tokens[..6], null)], 305, 0, gradient);
        digest.Add(BitConverter.DoubleToInt64Bits(result.LossSum));
        foreach (long count in result.TokensPerExpert) digest.Add(count);
        digest.Add(MemoryMarshal.AsBytes(gradient.Span));
    }

    private static NativeBuffer Draw(ulong stream, int length)
    {
        var values = new NativeBuffer(length);
        NormalDistribution.Fill(Key + stream, 1, values.Span);
        return values;
    }
}
