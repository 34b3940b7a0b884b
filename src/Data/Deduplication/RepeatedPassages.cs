using System.Runtime.InteropServices;

namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// Passages that come more than once, in one document or in several: the first one, in the order of the keys and inside a document of the text, stays. A first pass adds
/// every document, <see cref="Freeze"/> decides, a second pass cuts. May be filled on several threads in any order. Memory: 16 bytes per passage (one starts at every line) while it is
/// filled, 32 while it decides, then some 40 per distinct repeated one. Passages are known by 64-bit hashes: among a thousand million two differing ones are taken for the same with a
/// chance of 3 %.
/// </summary>
public sealed class RepeatedPassages
{
    private readonly Lock _turn = new();
    private readonly PassageOptions _options;
    private readonly List<string> _keys = [];
    private readonly List<Entry[]> _entries = [];
    private readonly Dictionary<string, int> _documents = new(StringComparer.Ordinal);
    private int[] _ranks = [];
    private Dictionary<ulong, (int Document, int Place)>? _first;

    /// <summary>An empty set.</summary>
    /// <exception cref="Core.BadInputException">The options cannot be used.</exception>
    public RepeatedPassages(PassageOptions options)
    {
        options.Validate();
        _options = options;
    }

    /// <summary>Adds a document's passages.</summary>
    /// <param name="key">No other document's.</param>
    /// <param name="text">UTF-8.</param>
    /// <exception cref="InvalidOperationException">The set is frozen.</exception>
    public void Add(string key, ReadOnlySpan<byte> text)
    {
        List<PassageReader.Unit> units = PassageReader.Units(text, _options.Unit);
        var entries = new List<Entry>();
        for (int i = 0; i + _options.Length <= units.Count; i++)
            if (PassageReader.Passage(units, i, _options) is ulong hash) entries.Add(new Entry(hash, 0, i));
        lock (_turn)
        {
            if (_first is not null) throw new InvalidOperationException("The passages are decided already.");
            int document = _keys.Count;
            if (!_documents.TryAdd(key, document)) throw new ArgumentException($"Two documents with the key \"{key}\".", nameof(key));
            _keys.Add(key);
            _entries.Add([.. entries.Select(entry => entry with { Document = document })]);
        }
    }

    /// <summary>Decides which copy of each passage stays.</summary>
    public void Freeze()
    {
        lock (_turn)
        {
            if (_first is not null) return;
            string[] keys = [.. _keys];
            int[] order = [.. Enumerable.Range(0, keys.Length)], rank = new int[keys.Length];
            Array.Sort(keys, order, StringComparer.Ordinal);
            for (int i = 0; i < order.Length; i++) rank[order[i]] = i;
            Entry[] all = new Entry[_entries.Sum(entries => entries.Length)];
            int count = 0;
            for (int document = 0; document < _entries.Count; document++)
            {
                foreach (Entry entry in _entries[document]) all[count++] = entry with { Document = rank[document] };
                _entries[document] = [];
            }
            Array.Sort(all);
            _first = [];
            for (int from = 0, to; from < all.Length; from = to)
            {
                for (to = from + 1; to < all.Length && all[to].Hash == all[from].Hash; to++)
                {
                }
                if (to - from > 1) _first.Add(all[from].Hash, (all[from].Document, all[from].Place));
            }
            _ranks = rank;
        }
    }

    /// <summary>Cuts the copies out of a document: lines that are part of a later copy and of no first one.</summary>
    /// <param name="key">The key that it was added with.</param>
    /// <param name="text">The text that was added.</param>
    /// <returns>What is left (the text itself if nothing went), and how many units and bytes went.</returns>
    /// <exception cref="InvalidOperationException">The set is not frozen.</exception>
    /// <exception cref="KeyNotFoundException">The document was not added.</exception>
    public PassageCut Cut(string key, ReadOnlyMemory<byte> text)
    {
        if (_first is null) throw new InvalidOperationException("The passages are not decided yet.");
        int document = _ranks[_documents[key]];
        List<PassageReader.Unit> units = PassageReader.Units(text.Span, _options.Unit);
        bool[] copied = new bool[units.Count], first = new bool[units.Count];
        for (int i = 0; i + _options.Length <= units.Count; i++)
        {
            if (PassageReader.Passage(units, i, _options) is not ulong hash || !_first.TryGetValue(hash, out var place)) continue;
            (place == (document, i) ? first : copied).AsSpan(i, _options.Length).Fill(true);
        }
        List<byte>? left = null;
        int removed = 0;
        for (int i = 0; i < units.Count; i++)
        {
            ReadOnlySpan<byte> unit = text.Span[units[i].Start..units[i].End];
            if (copied[i] && !first[i])
            {
                if (left is null) (left = []).AddRange(text.Span[..units[i].Start]);
                removed++;
            }
            else left?.AddRange(unit);
        }
        return left is null ? new PassageCut(text, 0, 0) : new PassageCut(left.ToArray(), removed, text.Length - left.Count);
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Entry(ulong Hash, int Document, int Place) : IComparable<Entry>
    {
        public int CompareTo(Entry other) => Hash != other.Hash ? Hash.CompareTo(other.Hash)
            : Document != other.Document ? Document.CompareTo(other.Document) : Place.CompareTo(other.Place);
    }
}

/// <summary>A document without its repeated passages.</summary>
/// <param name="Text">What is left, UTF-8.</param>
/// <param name="Units">Lines or paragraphs that went.</param>
/// <param name="Bytes">Bytes that went.</param>
public sealed record PassageCut(ReadOnlyMemory<byte> Text, int Units, int Bytes);
