using System.Collections;

namespace ElasticTrain.Data.Sources;

/// <summary>Names and values in the order of the record; compared by content. What the reader itself found out has a name that begins with <c>source.</c></summary>
public sealed class SourceMetadata : IReadOnlyList<KeyValuePair<string, string>>, IEquatable<SourceMetadata>
{
    private readonly KeyValuePair<string, string>[] _items;

    /// <summary>Takes the items as they are.</summary>
    public SourceMetadata(params KeyValuePair<string, string>[] items) => _items = items;

    /// <summary>No metadata.</summary>
    public static SourceMetadata None { get; } = new();

    /// <inheritdoc/>
    public int Count => _items.Length;

    /// <inheritdoc/>
    public KeyValuePair<string, string> this[int index] => _items[index];

    /// <summary>The value of a name; null if there is none.</summary>
    public string? this[string name] => Array.Find(_items, item => string.Equals(item.Key, name, StringComparison.Ordinal)).Value;

    /// <summary>Metadata of one item.</summary>
    internal static SourceMetadata Of(string name, string value) => new(new KeyValuePair<string, string>(name, value));

    /// <inheritdoc/>
    public bool Equals(SourceMetadata? other) => other is not null && _items.AsSpan().SequenceEqual(other._items);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SourceMetadata);

    /// <inheritdoc/>
    public override int GetHashCode() => _items.Length == 0 ? 0 : HashCode.Combine(_items.Length, _items[0]);

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", _items.Select(item => $"{item.Key}={item.Value}"));

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, string>>)_items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _items.GetEnumerator();
}
