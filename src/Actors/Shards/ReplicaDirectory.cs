using System.Collections.Concurrent;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>The live replicas of one node, and what the node's tensor server does with frames for them.</summary>
/// <param name="pool">Where copies for slow readers come from.</param>
public sealed class ReplicaDirectory(BufferPool pool) : IDataPlaneHandler
{
    private readonly ConcurrentDictionary<(ShardId, ReplicaId), (ShardReplica Replica, int Length)> _replicas = new();

    /// <summary>Makes a replica reachable.</summary>
    public void Add(ShardReplica replica, int length) => _replicas[(replica.Shard, replica.Replica)] = (replica, length);

    /// <summary>Makes a replica unreachable.</summary>
    public void Remove(ShardId shard, ReplicaId replica) => _replicas.TryRemove((shard, replica), out _);

    /// <summary>A replica of this node.</summary>
    /// <exception cref="DataPlaneRefusedException">It does not live here.</exception>
    public ShardReplica Get(ShardId shard, ReplicaId replica) => Find(shard, replica, null).Replica;

    /// <inheritdoc/>
    public void OnContribution(in FrameHeader header, ReadOnlySpan<float> payload) =>
        Find(header.Shard, header.Replica, header.Lineage).Replica.Contribute(header.Lineage, header.Block, payload, header.Kind == FrameKind.Marker, header.Attempt);

    /// <inheritdoc/>
    public async ValueTask<PullResult> OnPullAsync(FrameHeader header, CancellationToken ct)
    {
        var (replica, length) = Find(header.Shard, header.Replica, header.Kind == FrameKind.PullState ? null : header.Lineage);
        if (header.Kind == FrameKind.PullState)
        {
            var (state, version, release) = replica.CopyState();
            return new PullResult(state, 0, checked((int)state.Length), () =>
            {
                state.Dispose();
                release();
            }, Version: version);
        }
        if (header.Kind == FrameKind.PullGradient)
        {
            var (sum, digest, release) = await replica.BorrowGradientAsync(header.Lineage, header.Attempt, ct).ConfigureAwait(false);
            return new PullResult(sum, 0, length, release, digest);
        }
        // The copy leaves the replica free to apply the next step however slowly the reader takes the bytes.
        var copy = pool.Rent(length);
        try
        {
            await replica.CopyParametersAsync(header.Lineage, copy, 0, ct).ConfigureAwait(false);
            return new PullResult(copy, 0, length, () => pool.Return(copy));
        }
        catch
        {
            pool.Return(copy);
            throw;
        }
    }

    private (ShardReplica Replica, int Length) Find(ShardId shard, ReplicaId replica, Lineage? lineage) =>
        _replicas.TryGetValue((shard, replica), out var found) ? found
            : throw new DataPlaneRefusedException($"replica {shard}~{replica} does not live on this node{(lineage is { } of ? $" (for lineage {of.Step}:{of.Digest})" : "")}");
}
