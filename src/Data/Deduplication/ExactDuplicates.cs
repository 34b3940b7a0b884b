using System.Runtime.InteropServices;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// Documents that are equal but for case and white space. May be filled on several threads in any order: what is kept depends on the keys alone. Memory: some 60 bytes per
/// distinct document and 20 per copy, beside the keys' text.
/// </summary>
public sealed class ExactDuplicates
{
    private readonly Lock _turn = new();
    private readonly Dictionary<Digest256, string> _kept = [];
    private readonly List<(string Key, Digest256 Text)> _removed = [];

    /// <summary>Adds a document.</summary>
    /// <param name="key">No other document's.</param>
    /// <param name="text">The text's <see cref="NormalText.Digest"/>.</param>
    /// <exception cref="ArgumentException">A document with this key and text is there already.</exception>
    public void Add(string key, Digest256 text)
    {
        lock (_turn)
        {
            ref string? kept = ref CollectionsMarshal.GetValueRefOrAddDefault(_kept, text, out bool isThere);
            if (!isThere)
            {
                kept = key;
                return;
            }
            int order = string.CompareOrdinal(key, kept);
            if (order == 0) throw new ArgumentException($"Two documents with the key \"{key}\".", nameof(key));
            _removed.Add((order < 0 ? kept! : key, text));
            if (order < 0) kept = key;
        }
    }

    /// <summary>All groups of equal documents, by the key of the one that is kept.</summary>
    public IReadOnlyList<DuplicateGroup> Find()
    {
        var groups = new SortedDictionary<string, List<Duplicate>>(StringComparer.Ordinal);
        foreach ((string key, Digest256 text) in _removed)
        {
            string kept = _kept[text];
            if (!groups.TryGetValue(kept, out var removed)) groups.Add(kept, removed = []);
            removed.Add(new Duplicate(key, kept, 1));
        }
        foreach (var removed in groups.Values) removed.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key));
        return [.. groups.Select(group => new DuplicateGroup(group.Key, group.Value))];
    }
}
