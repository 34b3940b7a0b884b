using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>What a node does with the frames that reach it. Called on socket tasks, concurrently for different connections.</summary>
public interface IDataPlaneHandler
{
    /// <summary>
    /// A contribution, or a marker (<see cref="FrameHeader.Kind"/> says which; a marker's payload is empty). Returning acknowledges it. The next frame of
    /// the connection is read afterwards: work here is back-pressure.
    /// </summary>
    /// <param name="header">Its <see cref="FrameHeader.PayloadDigest"/> has been verified.</param>
    /// <param name="payload">Valid during the call only.</param>
    /// <exception cref="DataPlaneRefusedException">Refuses the frame; the reason travels back. Any other exception does too, and is logged.</exception>
    void OnContribution(in FrameHeader header, ReadOnlySpan<float> payload);

    /// <summary>A long poll: completes when the values that are wanted are there. <see cref="FrameHeader.Kind"/> says which: Pull, PullState or PullGradient.</summary>
    /// <param name="header">Names lineage, shard and replica.</param>
    /// <param name="ct">Cancelled when the client does not want them any more or its connection is gone.</param>
    /// <exception cref="DataPlaneRefusedException">They will never be there; the reason travels back.</exception>
    ValueTask<PullResult> OnPullAsync(FrameHeader header, CancellationToken ct);
}

/// <summary>Values leased to the server while it sends them.</summary>
/// <param name="Buffer">Where they are. Must not change or go before <paramref name="Release"/> is called.</param>
/// <param name="Offset">First value.</param>
/// <param name="Length">Number of values.</param>
/// <param name="Release">Called exactly once, sent or not.</param>
/// <param name="Digest">XxHash128 of the values' bytes if it is known, which saves a pass over them for every reader; null to have it computed.</param>
/// <param name="Version">The version of the values where the request named none; null for the one that it named.</param>
public readonly record struct PullResult(NativeBuffer Buffer, long Offset, int Length, Action Release, UInt128? Digest = null, Lineage? Version = null);
