using System.IO.Hashing;
using System.Runtime.InteropServices;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>
/// Brings a shard's parameters here, from a replica on this node or over the data plane. All replicas have the same bits, so that one stands in for another that
/// fails or is silent.
/// </summary>
/// <param name="dataPlane">Endpoint of this node's tensor server.</param>
/// <param name="replicas">The replicas that live here.</param>
/// <param name="peers">Connections to the other nodes.</param>
/// <param name="patience">How long a replica is waited for before another one is asked.</param>
public sealed class ShardPuller(string dataPlane, ReplicaDirectory replicas, PeerConnections peers, TimeSpan patience)
{
    /// <summary>Waits until a replica has the version and writes its parameters to their place. When the task has ended, in whatever way, nothing is written any more.</summary>
    /// <param name="version">The version wanted.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="routes">Its replicas.</param>
    /// <param name="flat">The flat parameters.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="DataPlaneRefusedException">No replica can serve that version.</exception>
    /// <exception cref="DataPlaneConnectionException">Their nodes cannot be reached.</exception>
    public async Task PullAsync(Lineage version, ShardInfo shard, PullRoutes routes, NativeBuffer flat, CancellationToken ct)
    {
        List<ShardRoute> failed = [];
        PullRoutes.Snapshot? known = null;
        Exception? reason = null;
        for (int turn = 0; ; turn++)
        {
            var current = routes.Current;
            if (current != known)
            {
                // What refused may have been started since.
                failed.Clear();
                (known, turn) = (current, 0);
            }
            ShardRoute[] candidates = [.. InOrder(current.Of(shard.Id)).Except(failed)];
            if (candidates.Length == 0) throw reason ?? new DataPlaneRefusedException($"no replica of shard {shard.Id} is known that has its parameters");
            var route = candidates[turn % candidates.Length];
            using var attempt = CancellationTokenSource.CreateLinkedTokenSource(ct);
            var pull = PullAsync(version, shard, route, flat, attempt.Token);
            if (!await IsDueAsync(pull, route, current, routes, candidates.Length > 1, ct).ConfigureAwait(false)) await attempt.CancelAsync().ConfigureAwait(false);
            try
            {
                // Also when it was given up, nobody else may write before it has ended; and what was arriving has arrived.
                await pull.ConfigureAwait(false);
                return;
            }
            catch (OperationCanceledException) when (attempt.IsCancellationRequested && !ct.IsCancellationRequested)
            {
                // Another one's turn; this one may just not have the version yet.
            }
            catch (Exception error) when (error is DataPlaneConnectionException or DataPlaneRefusedException)
            {
                ct.ThrowIfCancellationRequested();
                reason = error;
                failed.Add(route);
                turn--;
            }
        }
    }

    /// <summary>Waits for a pull. False if another replica is to be asked instead: this one is silent while there are others, or is none any more.</summary>
    private async Task<bool> IsDueAsync(Task pull, ShardRoute route, PullRoutes.Snapshot current, PullRoutes routes, bool hasOthers, CancellationToken ct)
    {
        if (pull.IsCompleted) return true;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(ct);
        try
        {
            var silence = SilenceAsync(hasOthers, ended.Token);
            while (true)
            {
                var first = await Task.WhenAny(pull, silence, current.Replaced).ConfigureAwait(false);
                if (first != current.Replaced) return first == pull || ct.IsCancellationRequested;
                // What is on its way goes on if it comes from one of the new routes.
                current = routes.Current;
                if (!current.Of(route.Shard).Contains(route)) return false;
                silence = SilenceAsync(current.Of(route.Shard).Skip(1).Any(), ended.Token);
            }
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
        }
    }

    private Task SilenceAsync(bool hasOthers, CancellationToken ct) => Task.Delay(hasOthers ? patience : Timeout.InfiniteTimeSpan, ct);

    /// <summary>A replica on this node first; of the others each node prefers different ones, and always the same.</summary>
    private IEnumerable<ShardRoute> InOrder(IEnumerable<ShardRoute> routes) =>
        routes.OrderBy(r => r.DataPlane != dataPlane).ThenBy(r => XxHash3.HashToUInt64(MemoryMarshal.AsBytes($"{dataPlane} {r.Shard}~{r.Replica}".AsSpan())));

    private async Task PullAsync(Lineage version, ShardInfo shard, ShardRoute route, NativeBuffer flat, CancellationToken ct)
    {
        if (route.DataPlane == dataPlane)
        {
            await replicas.Get(route.Shard, route.Replica).CopyParametersAsync(version, flat, shard.Offset, ct).ConfigureAwait(false);
            return;
        }
        var peer = await peers.GetAsync(route.DataPlane, ct).ConfigureAwait(false);
        await peer.PullAsync(version, route.Shard, route.Replica, flat, shard.Offset, shard.Length, ct).ConfigureAwait(false);
    }
}
