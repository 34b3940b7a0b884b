using System.Runtime.InteropServices;

namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// Finds near duplicates among signatures: documents that agree in a band are candidates, candidates are verified, and what is verified is joined. All of it
/// goes by the order of the keys, so neither threads nor arrival change anything. Memory: the store, 45 bytes per document, and 128 MB of what was read and rejected.
/// </summary>
public sealed class NearDuplicates
{
    /// <summary>In a larger bucket documents are compared with those only that are like none before them, and with so many at most.</summary>
    private const int MaxCompared = 64;

    private readonly MinHashOptions _options;
    private readonly SignatureStore _store;
    private readonly int[] _order;
    private readonly UnionFind _sets;
    private readonly (int Like, double Similarity)[] _links;
    private readonly CandidateCheck _check;
    private readonly List<int> _leaders = [];

    private NearDuplicates(SignatureStore store, MinHashOptions options, Func<string, ReadOnlyMemory<byte>>? text)
    {
        options.Validate();
        if (store.Length != options.Hashes)
            throw new ArgumentException($"Signatures of {store.Length} values, where the options make {options.Hashes}.", nameof(store));
        (_store, _options, _order) = (store, options, store.Ordered());
        _sets = new UnionFind(_order.Length);
        _links = new (int, double)[_order.Length];
        _check = new CandidateCheck(store, options, _order, text);
    }

    /// <summary>Finds all groups, by the key of the document that is kept.</summary>
    /// <param name="store">Signatures of <see cref="MinHasher"/> with the same options.</param>
    /// <param name="options">What counts as a duplicate.</param>
    /// <param name="text">
    /// Gives a document's text by its key, for candidates whose signatures leave it open whether they reach the threshold; they are compared by their shingles.
    /// Without it the estimate decides, at 1.75 standard errors below the threshold: of pairs at the threshold 95 in 100 are found, and some below it too.
    /// </param>
    /// <param name="report">Gets what it took.</param>
    /// <param name="stop">Ends the search.</param>
    public static IReadOnlyList<DuplicateGroup> Find(
        SignatureStore store, MinHashOptions options, Func<string, ReadOnlyMemory<byte>>? text, out NearDuplicateReport report, CancellationToken stop = default)
    {
        var search = new NearDuplicates(store, options, text);
        for (int band = 0; band < options.CandidateBands; band++)
        {
            stop.ThrowIfCancellationRequested();
            search.SearchBand(band);
        }
        report = search._check.Report;
        return search.Groups();
    }

    private void SearchBand(int band)
    {
        int rows = _options.CandidateRows;
        ulong[] hashes = new ulong[_order.Length];
        int[] members = new int[_order.Length];
        for (int i = 0; i < members.Length; i++)
        {
            ReadOnlySpan<uint> values = _store[_order[i]].Slice(band * rows, rows);
            ulong hash = (ulong)rows;
            foreach (uint value in values) hash = WordScanner.Mix(hash ^ value);
            (hashes[i], members[i]) = (hash, i);
        }
        Array.Sort(hashes, members);
        for (int from = 0, to; from < members.Length; from = to)
        {
            for (to = from + 1; to < members.Length && hashes[to] == hashes[from]; to++)
            {
            }
            if (to - from == 1) continue;
            // Sorting leaves members with equal hashes in no order that one could name.
            Span<int> bucket = members.AsSpan(from, to - from);
            bucket.Sort();
            if (bucket.Length <= MaxCompared) CompareAll(bucket);
            else CompareWithLeaders(bucket);
        }
    }

    private void CompareAll(ReadOnlySpan<int> bucket)
    {
        for (int i = 1; i < bucket.Length; i++)
            for (int j = 0; j < i; j++) Compare(bucket[j], bucket[i]);
    }

    private void CompareWithLeaders(ReadOnlySpan<int> bucket)
    {
        _leaders.Clear();
        foreach (int member in bucket)
        {
            bool isAlone = true;
            foreach (int leader in CollectionsMarshal.AsSpan(_leaders)) isAlone &= !Compare(leader, member);
            if (isAlone && _leaders.Count < MaxCompared) _leaders.Add(member);
        }
    }

    /// <summary>Joins two documents if they are duplicates; whether they are in one set now.</summary>
    private bool Compare(int left, int right)
    {
        if (_sets.Root(left) == _sets.Root(right)) return true;
        if (_check.Similarity(left, right) is not { } similarity) return false;
        _sets.Join(left, right);
        if (_links[right].Similarity < similarity) _links[right] = (left, similarity);
        // The smaller one of two may be the larger root's: it needs a link of its own, since it will not be kept.
        if (_links[left].Similarity < similarity) _links[left] = (right, similarity);
        return true;
    }

    private List<DuplicateGroup> Groups()
    {
        var groups = new SortedDictionary<int, List<Duplicate>>();
        for (int i = 0; i < _order.Length; i++)
        {
            int root = _sets.Root(i);
            if (root == i) continue;
            if (!groups.TryGetValue(root, out var removed)) groups.Add(root, removed = []);
            removed.Add(new Duplicate(Key(i), Key(_links[i].Like), _links[i].Similarity));
        }
        return [.. groups.Select(group => new DuplicateGroup(Key(group.Key), group.Value))];
    }

    private string Key(int member) => _store.Key(_order[member]);
}
