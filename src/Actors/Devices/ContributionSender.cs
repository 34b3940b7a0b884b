using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Devices;

/// <summary>
/// Brings a block's summed gradient to every replica of every shard that takes part: by a call on this node, by a frame to another. Of each shard one replica
/// must take it; the others are waited for only so long.
/// </summary>
/// <param name="node">The node.</param>
/// <param name="patience">How long a replica is waited for when another one of its shard has acknowledged.</param>
public sealed class ContributionSender(NodeRuntime node, TimeSpan patience)
{
    /// <summary>Values of the flat gradient from which on several threads are used: about a millisecond's work.</summary>
    private const long ParallelFrom = 1 << 18;

    /// <summary>Completes when of every shard one replica has acknowledged all blocks, and the others have too, have failed or have been given up.</summary>
    /// <param name="grant">The grant that the blocks belong to.</param>
    /// <param name="blocks">
    /// Each with its sum over the whole flat buffer. The buffers belong to the sender from now on: it returns them to the pool when no frame reads them any
    /// more, which may be after the task has ended.
    /// </param>
    /// <param name="tokensPerExpert">Of all ranks of the blocks, row-major [MoE layer, expert]: a shard whose experts got no token gets a marker.</param>
    /// <returns>The replicas that have missed a block, without observers.</returns>
    /// <exception cref="Exception">Somebody found corruption (<see cref="IsFatal"/>), or no replica of a shard took the blocks: the reason of one.</exception>
    public async Task<IReadOnlyList<ReplicaId>> SendAsync(GrantRanks grant, IReadOnlyList<BlockSum> blocks, long[] tokensPerExpert)
    {
        ShardRoute[] routes = [.. grant.Routes.Where(r => !ParameterLayout.IsFrozen(node.Layout.Shards[r.Shard.Value], grant.FrozenPrefix))];
        List<ReplicaId> missed = [];
        int sent = 0;
        try
        {
            while (sent < blocks.Count)
            {
                List<RouteSend> failed = await SendAsync(grant, blocks[sent++], routes, tokensPerExpert).ConfigureAwait(false);
                // A replica that lacks one block need not get the next.
                routes = [.. routes.Except(failed.Select(f => f.Route))];
                missed.AddRange(failed.Where(f => !f.Route.IsObserver).Select(f => f.Route.Replica));
            }
            return missed;
        }
        finally
        {
            while (sent < blocks.Count) node.Pool.Return(blocks[sent++].Sum);
        }
    }

    /// <summary>Whether an error would come again wherever and whenever the ranks are computed: to try again would be a silent standstill.</summary>
    public static bool IsFatal(Exception error) =>
        error is ContributionMismatchException or BadInputException or ArgumentException or DataPlaneRefusedException { Kind: not RefusalKind.Retriable };

    /// <summary>Whether a replica had the same ranks with other bits.</summary>
    public static bool IsMismatch(Exception error) => error is ContributionMismatchException or DataPlaneRefusedException { Kind: RefusalKind.Mismatch };

    /// <summary>Sends one block.</summary>
    /// <returns>What did not succeed, where that is not too bad.</returns>
    private async Task<List<RouteSend>> SendAsync(GrantRanks grant, BlockSum block, ShardRoute[] routes, long[] tokensPerExpert)
    {
        var giveUp = new CancellationTokenSource();
        RouteSend[] sends = Begin(grant, block, routes, tokensPerExpert, giveUp.Token);
        try
        {
            var shards = sends.Where(s => !s.Route.IsObserver).GroupBy(s => s.Route.Shard).Select(g => g.ToArray()).ToArray();
            await Task.WhenAll(shards.Select(FirstSuccessAsync)).ConfigureAwait(false);
            // Nobody waits for observers, and no longer than this for a replica that others can stand in for.
            await WaitAsync(shards.SelectMany(s => s).Select(s => s.Task)).ConfigureAwait(false);
            List<RouteSend> failed = [.. sends.Where(s => s.Task.IsCompleted ? !s.Task.IsCompletedSuccessfully : !s.Route.IsObserver)];
            // Corruption is worth more than the refusals beside it.
            if (failed.Select(f => f.Error).FirstOrDefault(e => e is not null && IsFatal(e)) is { } fatal) ExceptionDispatchInfo.Throw(fatal);
            if (shards.FirstOrDefault(s => !s.Any(r => r.Task.IsCompletedSuccessfully)) is { } lost) ExceptionDispatchInfo.Throw(lost[0].Error!);
            return failed;
        }
        finally
        {
            End(block, sends, giveUp);
        }
    }

    private RouteSend[] Begin(GrantRanks grant, BlockSum block, ShardRoute[] routes, long[] tokensPerExpert, CancellationToken giveUp)
    {
        bool inParallel = node.Layout.TotalLength >= ParallelFrom;
        var sends = new RouteSend[routes.Length];
        List<int> local = [];
        // Remote sends first, so that they travel while the local sums are made.
        for (int i = 0; i < routes.Length; i++)
        {
            var route = routes[i];
            if (route.DataPlane == node.DataPlane) local.Add(i);
            else if (inParallel) sends[i] = new RouteSend(route, Task.Run(() => SendRemoteAsync(grant, block, route, tokensPerExpert, giveUp), CancellationToken.None));
            else sends[i] = new RouteSend(route, SendRemoteAsync(grant, block, route, tokensPerExpert, giveUp));
        }
        if (!inParallel)
        {
            foreach (int i in local) sends[i] = Contribute(grant, block, routes[i], tokensPerExpert);
            return sends;
        }
        // Replicas have nothing in common, so idle cores help; small models are not worth it.
        var largestFirst = local.OrderByDescending(i => node.Layout.Shards[routes[i].Shard.Value].Length);
        Parallel.ForEach(
            Partitioner.Create(largestFirst, EnumerablePartitionerOptions.NoBuffering), i => sends[i] = Contribute(grant, block, routes[i], tokensPerExpert));
        return sends;
    }

    private RouteSend Contribute(GrantRanks grant, BlockSum block, ShardRoute route, long[] tokensPerExpert)
    {
        try
        {
            var shard = node.Layout.Shards[route.Shard.Value];
            bool marker = Misses(shard, tokensPerExpert);
            ReadOnlySpan<float> values = marker ? default : block.Sum.Slice(shard.Offset, shard.Length);
            node.Replicas.Get(route.Shard, route.Replica).Contribute(grant.Input, block.Block, values, marker, grant.Attempt);
            return new RouteSend(route, Task.CompletedTask);
        }
        catch (Exception error)
        {
            return new RouteSend(route, Task.FromException(error));
        }
    }

    private async Task SendRemoteAsync(GrantRanks grant, BlockSum block, ShardRoute route, long[] tokensPerExpert, CancellationToken giveUp)
    {
        var shard = node.Layout.Shards[route.Shard.Value];
        var peer = await node.Peers.GetAsync(route.DataPlane, giveUp).ConfigureAwait(false);
        await (Misses(shard, tokensPerExpert)
            ? peer.ContributeMarkerAsync(grant.Input, route.Shard, route.Replica, block.Block, grant.Attempt, giveUp)
            : peer.ContributeAsync(grant.Input, route.Shard, route.Replica, block.Block, block.Sum, shard.Offset, shard.Length, grant.Attempt, giveUp)).ConfigureAwait(false);
    }

    private static async Task FirstSuccessAsync(RouteSend[] sends)
    {
        await foreach (var ended in Task.WhenEach(sends.Select(s => s.Task)).ConfigureAwait(false))
            if (ended.IsCompletedSuccessfully) return;
    }

    private async Task WaitAsync(IEnumerable<Task> sends)
    {
        var all = Task.WhenAll(sends);
        if (all.IsCompleted) return;
        using var enough = new CancellationTokenSource();
        await Task.WhenAny(all, Task.Delay(patience, enough.Token)).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Gives the buffer back when the last frame has been sent, which a peer that does not read can put off until its connection is cut.</summary>
    private void End(BlockSum block, RouteSend[] sends, CancellationTokenSource giveUp)
    {
        if (sends.All(s => s.Task.IsCompleted))
        {
            node.Pool.Return(block.Sum);
            giveUp.Dispose();
            return;
        }
        if (sends.Any(s => !s.Task.IsCompleted && !s.Route.IsObserver)) giveUp.Cancel();
        else giveUp.CancelAfter(patience);
        _ = Task.WhenAll(sends.Select(s => s.Task)).ContinueWith(
            all =>
            {
                _ = all.Exception; // whoever has been given up may fail in whatever way
                node.Pool.Return(block.Sum);
                giveUp.Dispose();
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private bool Misses(ShardInfo shard, long[] tokensPerExpert)
    {
        if (shard.Kind != ShardKind.Expert) return false;
        int row = node.Layout.MoeLayerIndex(shard.Layer) * node.Layout.Config.NRoutedExperts;
        return !tokensPerExpert.AsSpan(row + shard.FirstExpert, shard.ExpertCount).ContainsAnyExcept(0L);
    }

    private sealed record RouteSend(ShardRoute Route, Task Task)
    {
        public Exception? Error => Task.IsCanceled ? new TaskCanceledException(Task) : Task.Exception?.InnerException;
    }
}
