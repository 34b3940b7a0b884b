namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// Documents' signatures, 4 bytes per hash: 448 bytes for 14 x 8, beside the key's text. Documents may be added on several threads in any order: what is found
/// depends on the keys alone.
/// </summary>
public sealed class SignatureStore
{
    private const int PerChunk = 1024;

    private readonly Lock _turn = new();
    private readonly List<uint[]> _chunks = [];
    private readonly List<string> _keys = [];

    /// <summary>An empty store.</summary>
    /// <param name="length">Values of a signature.</param>
    public SignatureStore(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        Length = length;
    }

    /// <summary>Values of a signature.</summary>
    public int Length { get; }

    /// <summary>Documents.</summary>
    public int Count => _keys.Count;

    /// <summary>Adds a document.</summary>
    /// <param name="key">No other document's.</param>
    /// <param name="signature"><see cref="Length"/> values; they are copied.</param>
    public void Add(string key, ReadOnlySpan<uint> signature)
    {
        if (signature.Length != Length) throw new ArgumentException($"A signature has {Length} values, found {signature.Length}.", nameof(signature));
        lock (_turn)
        {
            if (_keys.Count % PerChunk == 0) _chunks.Add(new uint[PerChunk * Length]);
            signature.CopyTo(_chunks[^1].AsSpan(_keys.Count % PerChunk * Length, Length));
            _keys.Add(key);
        }
    }

    /// <summary>A document's key, by its place in the order of arrival.</summary>
    internal string Key(int index) => _keys[index];

    /// <summary>A document's signature, by its place in the order of arrival.</summary>
    internal ReadOnlySpan<uint> this[int index] => _chunks[index / PerChunk].AsSpan(index % PerChunk * Length, Length);

    /// <summary>The places of all documents in the order of their keys.</summary>
    /// <exception cref="ArgumentException">Two documents have the same key.</exception>
    internal int[] Ordered()
    {
        string[] keys = [.. _keys];
        int[] order = [.. Enumerable.Range(0, keys.Length)];
        Array.Sort(keys, order, StringComparer.Ordinal);
        for (int i = 1; i < keys.Length; i++)
            if (keys[i] == keys[i - 1]) throw new ArgumentException($"Two documents with the key \"{keys[i]}\".");
        return order;
    }
}
