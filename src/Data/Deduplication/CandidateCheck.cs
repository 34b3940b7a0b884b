namespace ElasticTrain.Data.Deduplication;

/// <summary>Decides whether two candidates are duplicates: by their signatures where these are clear, else by their shingles.</summary>
internal sealed class CandidateCheck
{
    private const int MaxCachedShingles = 8 << 20, MaxRejected = 2 << 20;

    // Standard errors of the estimate: beyond four of them chance decides once in ten thousand cases. 1.75 leaves 4 of 100.
    private const double Clear = 4, Lenient = 1.75;

    private readonly SignatureStore _store;
    private readonly int[] _order;
    private readonly Func<string, ReadOnlyMemory<byte>>? _text;
    private readonly MinHasher _hasher;
    private readonly double _threshold;
    private readonly double _reject, _accept;
    private readonly Dictionary<int, ulong[]> _shingles = [];
    private readonly HashSet<(int, int)> _rejected = [];
    private long _cached, _compared, _read, _duplicates;

    internal CandidateCheck(SignatureStore store, MinHashOptions options, int[] order, Func<string, ReadOnlyMemory<byte>>? text)
    {
        (_store, _order, _text, _hasher, _threshold) = (store, order, text, new MinHasher(options), options.Threshold);
        double error = Math.Sqrt(_threshold * (1 - _threshold) / options.Hashes);
        (_reject, _accept) = text is null
            ? (_threshold - Lenient * error, _threshold - Lenient * error)
            : (_threshold - Clear * error, _threshold + Clear * error);
    }

    /// <summary>What was done so far.</summary>
    internal NearDuplicateReport Report => new(_compared, _read, _duplicates);

    /// <summary>The similarity of two duplicates, null if they are none. Members are places in the order of the keys.</summary>
    internal double? Similarity(int left, int right)
    {
        _compared++;
        double estimate = (double)MinHasher.Agreement(_store[_order[left]], _store[_order[right]]) / _store.Length;
        if (estimate < _reject) return null;
        if (estimate < _accept && estimate < 1)
        {
            // Pairs come up again in other bands.
            if (_rejected.Contains((left, right))) return null;
            _read++;
            estimate = MinHasher.Jaccard(Shingles(left), Shingles(right));
            if (estimate < _threshold)
            {
                if (_rejected.Count >= MaxRejected) _rejected.Clear();
                _rejected.Add((left, right));
                return null;
            }
        }
        _duplicates++;
        return estimate;
    }

    private ulong[] Shingles(int member)
    {
        if (_shingles.TryGetValue(member, out ulong[]? shingles)) return shingles;
        shingles = _hasher.Shingles(_text!(_store.Key(_order[member])).Span);
        if (_cached + shingles.Length > MaxCachedShingles)
        {
            _shingles.Clear();
            _cached = 0;
        }
        _cached += shingles.Length;
        _shingles.Add(member, shingles);
        return shingles;
    }
}

/// <summary>What a search for near duplicates took.</summary>
/// <param name="Compared">Pairs of signatures that were compared.</param>
/// <param name="Read">Pairs whose texts were compared.</param>
/// <param name="Duplicates">Pairs that were joined.</param>
public sealed record NearDuplicateReport(long Compared, long Read, long Duplicates);
