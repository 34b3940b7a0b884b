using System.IO.Hashing;
using System.Runtime.InteropServices;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Simulation.Tests.Engine;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>What stands in for the network: a rank's gradient and losses are a hash of the parameters it is given, the step and the rank.</summary>
public static class Arithmetic
{
    /// <summary>Hash of parameters, whose every bit a gradient depends on.</summary>
    public static ulong HashOf(ReadOnlySpan<float> parameters) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(parameters));

    /// <summary>Tokens of a rank that count in the loss: different ranks count differently, so that a sum over them says which were in it.</summary>
    public static long Tokens(Step step, int rank) => 1L << (rank % 16) | (long)(SimRandom.Hash(3, (ulong)step.Value, (ulong)rank) % 4096) << 20;

    /// <summary>Tokens of a step.</summary>
    public static long Tokens(Step step, int from, int to)
    {
        long sum = 0;
        for (int rank = from; rank < to; rank++) sum += Tokens(step, rank);
        return sum;
    }

    /// <summary>A rank's result besides its gradient.</summary>
    public static RankOutcome Outcome(ParameterLayout layout, ulong parameters, Step step, int rank)
    {
        var random = new SimRandom(SimRandom.Hash(parameters, (ulong)step.Value, (ulong)rank, 11));
        long[] tokens = new long[layout.MoeLayerCount * layout.Config.NRoutedExperts];
        // Some ranks reach no expert of a shard, which then gets a marker.
        for (int i = 0; i < tokens.Length; i++) tokens[i] = random.Chance(0.4) ? 0 : random.Next(1, 100);
        return new RankOutcome(random.Unit() * 9, Tokens(step, rank), tokens)
        {
            MtpLossSum = random.Unit(),
            MtpLossTokens = random.Next(1, 9),
            BalanceLoss = random.Unit(),
        };
    }

    /// <summary>A rank's gradient of all shards: numbers of different sizes, so that the order of a sum shows in its bits.</summary>
    public static void Gradient(ParameterLayout layout, ulong parameters, Step step, int rank, RankOutcome outcome, Span<float> gradient)
    {
        ulong key = SimRandom.Hash(parameters, (ulong)step.Value, (ulong)rank, 7);
        foreach (var shard in layout.Shards)
        {
            var values = gradient.Slice((int)shard.Offset, shard.Length);
            if (Misses(layout, shard, outcome.TokensPerExpert))
            {
                values.Clear();
                continue;
            }
            for (int i = 0; i < values.Length; i++)
            {
                ulong bits = SimRandom.Hash(key, (ulong)shard.Id.Value, (ulong)i);
                values[i] = ((int)(bits & 0xFFFFFF) - 0x800000) * MathF.ScaleB(1f, -20 - (int)(bits >> 60));
            }
        }
    }

    /// <summary>The blob of a state that is given as parameters and moments, one behind the other; moments may have been dropped.</summary>
    public static BlobReference BlobOf(ShardInfo shard, float[] state)
    {
        int moments = (state.Length - shard.Length) / 2;
        return CheckpointStore.Reference(shard.Id, state.AsSpan(0, shard.Length), state.AsSpan(shard.Length, moments), state.AsSpan(shard.Length + moments));
    }

    /// <summary>Takes such a state over.</summary>
    public static void Load(ShardState state, float[] values) => state.Load(values);

    /// <summary>Whether no token reached a shard's experts.</summary>
    public static bool Misses(ParameterLayout layout, ShardInfo shard, IReadOnlyList<long> tokensPerExpert)
    {
        if (shard.Kind != ShardKind.Expert) return false;
        int row = layout.MoeLayerIndex(shard.Layer) * layout.Config.NRoutedExperts;
        for (int i = 0; i < shard.ExpertCount; i++)
            if (tokensPerExpert[row + shard.FirstExpert + i] != 0) return false;
        return true;
    }
}
