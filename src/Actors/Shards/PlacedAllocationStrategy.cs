using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster.Sharding;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// Cluster Sharding's allocation where the run's coordinator has already decided: each replica is an Akka shard of its own, and its name says
/// on which node it lives. Nothing is ever rebalanced behind the coordinator's back.
/// </summary>
/// <param name="selfAddress">Address of the node that this strategy runs on; its own region's reference carries none.</param>
public sealed class PlacedAllocationStrategy(Address selfAddress) : IShardAllocationStrategy
{
    /// <inheritdoc/>
    public Task<IActorRef> AllocateShard(
        IActorRef requester, string shardId, IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations)
    {
        string wanted = ReplicaEntityId.Parse(shardId).Address;
        foreach (var region in currentShardAllocations.Keys)
        {
            var address = region.Path.Address.HasLocalScope ? selfAddress : region.Path.Address;
            if (address.ToString() == wanted) return Task.FromResult(region);
        }
        return Task.FromException<IActorRef>(new ElasticTrainException($"No shard region at {wanted} for replica {shardId} yet."));
    }

    /// <inheritdoc/>
    public Task<IImmutableSet<string>> Rebalance(
        IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations, IImmutableSet<string> rebalanceInProgress) =>
        Task.FromResult<IImmutableSet<string>>(ImmutableHashSet<string>.Empty);
}

/// <summary>Each replica is one entity in one Akka shard of the same name.</summary>
public sealed class ReplicaMessageExtractor : IMessageExtractor
{
    /// <inheritdoc/>
    public string? EntityId(object message) => (message as ShardEnvelope)?.EntityId;

    /// <inheritdoc/>
    public object? EntityMessage(object message) => (message as ShardEnvelope)?.Message;

    /// <inheritdoc/>
    public string? ShardId(object message) => (message as ShardEnvelope)?.EntityId;

    /// <inheritdoc/>
    public string ShardId(string entityId, object? messageHint = null) => entityId;
}
