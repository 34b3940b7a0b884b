using System.Globalization;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// A replica's name in Cluster Sharding: <c>shard~replica@address#uid</c>. The node is part of the name because the run's coordinator places
/// replicas, and the allocation strategy only obeys; a replica that moves is a new replica.
/// </summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">The replica's number.</param>
/// <param name="Address">Cluster address of the node that it is placed on.</param>
/// <param name="Uid">The node's incarnation.</param>
public readonly record struct ReplicaEntityId(ShardId Shard, ReplicaId Replica, string Address, int Uid)
{
    /// <summary>The name of a placed replica.</summary>
    public static ReplicaEntityId Of(ReplicaPlacement placement) => new(placement.Shard, placement.Replica, placement.Node.Address, placement.Node.Uid);

    /// <summary>Reads a name back.</summary>
    /// <exception cref="FormatException">The text is not such a name.</exception>
    public static ReplicaEntityId Parse(string text)
    {
        int tilde = text.IndexOf('~', StringComparison.Ordinal), at = text.IndexOf('@', StringComparison.Ordinal), hash = text.LastIndexOf('#');
        if (tilde <= 0 || at < tilde || hash < at) throw new FormatException($"'{text}' is not a replica's name (shard~replica@address#uid).");
        return new ReplicaEntityId(
            new ShardId(int.Parse(text.AsSpan(0, tilde), CultureInfo.InvariantCulture)),
            new ReplicaId(int.Parse(text.AsSpan(tilde + 1, at - tilde - 1), CultureInfo.InvariantCulture)),
            text[(at + 1)..hash],
            int.Parse(text.AsSpan(hash + 1), CultureInfo.InvariantCulture));
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Shard.Value}~{Replica.Value}@{Address}#{Uid}");
}
