using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>Brings a shard's parameters here, from a replica on this node or over the data plane.</summary>
/// <param name="layout">Parameters and shards.</param>
/// <param name="dataPlane">Endpoint of this node's tensor server.</param>
/// <param name="replicas">The replicas that live here.</param>
/// <param name="peers">Connections to the other nodes.</param>
public sealed class ShardPuller(ParameterLayout layout, string dataPlane, ReplicaDirectory replicas, PeerConnections peers)
{
    /// <summary>Waits until the replica has the version and writes its parameters to their place. When the task has ended, in whatever way, nothing is written any more.</summary>
    /// <param name="version">The version wanted.</param>
    /// <param name="route">The shard and its replica.</param>
    /// <param name="flat">The flat parameters.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="Collectives.DataPlaneRefusedException">The replica cannot serve that version.</exception>
    /// <exception cref="Collectives.DataPlaneConnectionException">Its node cannot be reached.</exception>
    public async Task PullAsync(Lineage version, ShardRoute route, NativeBuffer flat, CancellationToken ct)
    {
        ShardInfo shard = layout.Shards[route.Shard.Value];
        if (route.DataPlane == dataPlane)
        {
            await replicas.Get(route.Shard, route.Replica).CopyParametersAsync(version, flat, shard.Offset, ct).ConfigureAwait(false);
            return;
        }
        var peer = await peers.GetAsync(route.DataPlane, ct).ConfigureAwait(false);
        await peer.PullAsync(version, route.Shard, route.Replica, flat, shard.Offset, shard.Length, ct).ConfigureAwait(false);
    }
}
