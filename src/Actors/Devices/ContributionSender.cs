using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Devices;

/// <summary>Brings a block's summed gradient to the primary of every shard that takes part: by a call on this node, by a frame to another.</summary>
/// <param name="node">The node.</param>
public sealed class ContributionSender(NodeRuntime node)
{
    /// <summary>Values of the flat gradient from which on several threads are used: about a millisecond's work.</summary>
    private const long ParallelFrom = 1 << 18;

    /// <summary>Completes when every shard has acknowledged.</summary>
    /// <param name="grant">The grant that the block belongs to.</param>
    /// <param name="block">The block and its sum over the whole flat buffer.</param>
    /// <param name="tokensPerExpert">Of all ranks of the block, row-major [MoE layer, expert]: a shard whose experts got no token gets a marker.</param>
    public async Task SendAsync(GrantRanks grant, BlockSum block, long[] tokensPerExpert)
    {
        // Remote sends first, so that they travel while the local sums are made.
        List<Task> remote = [];
        List<ShardRoute> local = [];
        foreach (var route in grant.Routes)
        {
            var shard = node.Layout.Shards[route.Shard.Value];
            if (ParameterLayout.IsFrozen(shard, grant.FrozenPrefix)) continue;
            if (route.DataPlane == node.DataPlane) local.Add(route);
            else remote.Add(SendRemoteAsync(grant, block, route, shard, Misses(shard, tokensPerExpert)));
        }
        List<Exception> errors = [];
        try
        {
            Contribute(grant, block, local, tokensPerExpert);
        }
        catch (Exception error)
        {
            errors.Add(error);
        }
        // Awaited also after an error: the buffer must not be reused while a frame reads it.
        await Task.WhenAll(remote).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        errors.AddRange(remote.Select(t => t.Exception?.InnerException).OfType<Exception>());
        if (errors.Count > 0) Throw(errors);
    }

    /// <summary>Whether an error would come again wherever and whenever the ranks are computed: to try again would be a silent standstill.</summary>
    public static bool IsFatal(Exception error) =>
        error is ContributionMismatchException or BadInputException or ArgumentException or DataPlaneRefusedException { Kind: not RefusalKind.Retriable };

    /// <summary>Corruption is worth more than the refusals beside it.</summary>
    private static void Throw(IReadOnlyList<Exception> errors) => ExceptionDispatchInfo.Throw(errors.FirstOrDefault(IsFatal) ?? errors[0]);

    /// <summary>Shards have nothing in common, so idle cores help; small models are not worth it.</summary>
    private void Contribute(GrantRanks grant, BlockSum block, List<ShardRoute> routes, long[] tokensPerExpert)
    {
        if (node.Layout.TotalLength < ParallelFrom)
        {
            foreach (var route in routes) Contribute(grant, block, route, tokensPerExpert);
            return;
        }
        try
        {
            var largestFirst = routes.OrderByDescending(route => node.Layout.Shards[route.Shard.Value].Length);
            Parallel.ForEach(
                Partitioner.Create(largestFirst, EnumerablePartitionerOptions.NoBuffering), route => Contribute(grant, block, route, tokensPerExpert));
        }
        catch (AggregateException several)
        {
            Throw(several.InnerExceptions);
        }
    }

    private void Contribute(GrantRanks grant, BlockSum block, ShardRoute route, long[] tokensPerExpert)
    {
        var shard = node.Layout.Shards[route.Shard.Value];
        bool marker = Misses(shard, tokensPerExpert);
        ReadOnlySpan<float> values = marker ? default : block.Sum.Slice(shard.Offset, shard.Length);
        node.Replicas.Get(route.Shard, route.Replica).Contribute(grant.Input, block.Block, values, marker);
    }

    private async Task SendRemoteAsync(GrantRanks grant, BlockSum block, ShardRoute route, ShardInfo shard, bool marker)
    {
        var peer = await node.Peers.GetAsync(route.DataPlane, CancellationToken.None).ConfigureAwait(false);
        await (marker
            ? peer.ContributeMarkerAsync(grant.Input, route.Shard, route.Replica, block.Block)
            : peer.ContributeAsync(grant.Input, route.Shard, route.Replica, block.Block, block.Sum, shard.Offset, shard.Length)).ConfigureAwait(false);
    }

    private bool Misses(ShardInfo shard, long[] tokensPerExpert)
    {
        if (shard.Kind != ShardKind.Expert) return false;
        int row = node.Layout.MoeLayerIndex(shard.Layer) * node.Layout.Config.NRoutedExperts;
        return !tokensPerExpert.AsSpan(row + shard.FirstExpert, shard.ExpertCount).ContainsAnyExcept(0L);
    }
}
