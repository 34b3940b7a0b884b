namespace ElasticTrain.Model;

/// <summary>The parameters that a device needs at one time: the embedding, a layer, the final norm with the head, or the prediction module.</summary>
/// <param name="Index">Its index in <see cref="ParameterLayout.Segments"/>.</param>
/// <param name="Shards">Its shards, contiguous and in layout order.</param>
public sealed record ParameterSegment(int Index, IReadOnlyList<ShardInfo> Shards)
{
    /// <summary>Index of the embedding's segment.</summary>
    public const int Embedding = 0;

    /// <summary>Position of the first value in the flat buffer.</summary>
    public long Offset => Shards[0].Offset;

    /// <summary>Number of values.</summary>
    public long Length { get; } = Shards.Sum(shard => (long)shard.Length);

    /// <summary>Index of a layer's segment; the layer after the last stands for the final norm with the head, the one after that for the prediction module.</summary>
    /// <param name="layer">0 or more.</param>
    public static int OfLayer(int layer) => layer + 1;

    internal static IReadOnlyList<ParameterSegment> Of(IReadOnlyList<ShardInfo> shards, int layers)
    {
        // Norm and head are one shard, and of the shards that count as layer N it is the first.
        ShardInfo head = shards.First(shard => shard.Layer == layers);
        return [.. shards.GroupBy(shard => OfLayer(shard.Layer) + (shard.Id.Value > head.Id.Value ? 1 : 0)).Select(group => new ParameterSegment(group.Key, [.. group]))];
    }
}
