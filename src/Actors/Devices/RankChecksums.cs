using System.IO.Hashing;
using System.Runtime.InteropServices;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Devices;

/// <summary>What an audit compares: checksums of one rank's gradient, which travel instead of it.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="Pieces">XxHash3-64 of each of <see cref="PiecesOf"/>, in order; 0 for those of frozen shards.</param>
public sealed record RankChecksums(int Rank, IReadOnlyList<ulong> Pieces)
{
    /// <summary>Tensors up to which each has a checksum of its own: beyond that a message would be too large, and shards are compared.</summary>
    public const int MostTensors = 16_384;

    /// <summary>A part of the gradient that has a checksum.</summary>
    /// <param name="Name">The tensor's name, or the shard's where whole shards are compared.</param>
    /// <param name="Shard">The shard that holds it.</param>
    /// <param name="Offset">Its first value in the flat gradient.</param>
    /// <param name="Length">Number of values.</param>
    public sealed record Piece(string Name, ShardId Shard, long Offset, int Length);

    /// <summary>The parts that have a checksum, in layout order.</summary>
    public static IReadOnlyList<Piece> PiecesOf(ParameterLayout layout) => layout.Parameters.Count <= MostTensors
        ? [.. layout.Parameters.Select(p => new Piece(p.Name, p.Shard, p.Offset, checked((int)p.Length)))]
        : [.. layout.Shards.Select(s => new Piece(s.Id.ToString(), s.Id, s.Offset, s.Length))];

    /// <summary>Takes the checksums of a rank's gradient.</summary>
    /// <param name="layout">Its layout.</param>
    /// <param name="pieces">What <see cref="PiecesOf"/> gives for it.</param>
    /// <param name="frozenPrefix">As in a grant.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="gradient">Its flat gradient, before it is added to others.</param>
    public static RankChecksums Of(ParameterLayout layout, IReadOnlyList<Piece> pieces, int frozenPrefix, int rank, NativeBuffer gradient) => new(rank, [.. pieces.Select(p =>
        ParameterLayout.IsFrozen(layout.Shards[p.Shard.Value], frozenPrefix) ? 0 : XxHash3.HashToUInt64(MemoryMarshal.AsBytes(gradient.Slice(p.Offset, p.Length))))]);

    /// <summary>Checksum of everything that a rank reports besides its gradient.</summary>
    public static ulong Of(RankOutcome outcome)
    {
        var hash = new XxHash3();
        Span<long> numbers =
        [
            BitConverter.DoubleToInt64Bits(outcome.LossSum), outcome.LossTokens, BitConverter.DoubleToInt64Bits(outcome.MtpLossSum), outcome.MtpLossTokens,
            BitConverter.DoubleToInt64Bits(outcome.BalanceLoss),
        ];
        hash.Append(MemoryMarshal.AsBytes(numbers));
        hash.Append(MemoryMarshal.AsBytes<long>(outcome.TokensPerExpert.ToArray()));
        return hash.GetCurrentHashAsUInt64();
    }
}
