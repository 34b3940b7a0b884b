namespace ElasticTrain.Actors.Freezing;

/// <summary>Which layers have stood still so many times in a row, and how far the prefix of those reaches.</summary>
/// <param name="layers">Layers of the model.</param>
/// <param name="patience">How many times in a row.</param>
/// <param name="keepLast">So many of the last layers are never part of it.</param>
internal sealed class StandstillCounter(int layers, int patience, int keepLast)
{
    private readonly int[] _times = new int[layers];

    /// <summary>Notes whether a layer stood still.</summary>
    internal void Note(int layer, bool still) => _times[layer] = still ? _times[layer] + 1 : 0;

    /// <summary>The longest prefix, from one that is frozen already, of layers that stand still.</summary>
    internal int Prefix(int frozen)
    {
        int prefix = frozen;
        while (prefix < layers - keepLast && _times[prefix] >= patience) prefix++;
        return prefix;
    }

    /// <summary>Forgets.</summary>
    internal void Clear() => Array.Clear(_times);
}
