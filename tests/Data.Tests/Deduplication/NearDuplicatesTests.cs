using ElasticTrain.Core;
using ElasticTrain.Data.Deduplication;
using Xunit.Abstractions;

namespace ElasticTrain.Data.Tests.Deduplication;

public sealed class NearDuplicatesTests(ITestOutputHelper output)
{
    private const int Pairs = 3000;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_pairs_at_a_Jaccard_similarity_of_eight_tenths_ninety_five_in_a_hundred_are_found(bool readsTexts)
    {
        // Half of the pairs are duplicates, and a third of those stand right at the threshold; the others reach 0.6 at most.
        Score all = Measure(readsTexts, i => i % 2 == 0 ? 0.8 + (i % 3 == 0 ? 0 : 0.2 * WordText.Uniform(5, (ulong)i)) : 0.6 * WordText.Uniform(6, (ulong)i));
        output.WriteLine($"mixed: {all}");
        Assert.InRange(all.Recall, 0.95, 1);
        Assert.InRange(all.Precision, 0.95, 1);
        // All of them at the threshold itself.
        Score edge = Measure(readsTexts, i => i % 2 == 0 ? 0.8 : 0.6);
        output.WriteLine($"0.8 against 0.6: {edge}");
        Assert.InRange(edge.Recall, 0.95, 1);
        Assert.InRange(edge.Precision, 0.95, 1);
    }

    [Fact]
    public void Pairs_just_below_the_threshold_stay_when_texts_are_read()
    {
        Score score = Measure(readsTexts: true, i => i % 2 == 0 ? 0.8 : 0.7 + 0.09 * WordText.Uniform(7, (ulong)i));
        output.WriteLine($"0.8 against 0.70 to 0.79: {score}");
        Assert.InRange(score.Recall, 0.95, 1);
        Assert.Equal(1, score.Precision);
    }

    [Fact]
    public void Banding_of_the_published_14_by_8_alone_would_miss_too_many()
    {
        var options = new MinHashOptions();
        Assert.Equal((112, 6, 18), (options.Hashes, options.CandidateRows, options.CandidateBands));
        Assert.Equal(0.924, (options with { CandidateRecall = 0.9 }).ChanceOfCandidate(0.8), 3);
        Assert.Equal(0.996, options.ChanceOfCandidate(0.8), 3);
        Score published = Measure(readsTexts: true, i => i % 2 == 0 ? 0.8 : 0.5, options with { CandidateRecall = 0.9 });
        output.WriteLine($"14 x 8 for candidates: {published}");
        Assert.InRange(published.Recall, 0.90, 0.945);
    }

    [Fact]
    public void Neither_the_order_of_arrival_nor_threads_change_what_is_found()
    {
        var texts = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        for (int i = 0; i < 300; i++)
        {
            var (first, second, _) = WordText.Pair((ulong)i % 40, 80 + i % 3, 0.75 + 0.2 * (i % 7) / 7);
            texts.Add($"{i * 7919 % 1000:000}-a{i}", first);
            texts.Add($"{i * 7919 % 1000:000}-b{i}", second);
        }
        string expected = Describe(Find(texts, texts.Keys, 1));
        Assert.Contains("<", expected);
        foreach (int threads in (int[])[1, 3, 8])
        {
            Assert.Equal(expected, Describe(Find(texts, texts.Keys.Reverse(), threads)));
            Assert.Equal(expected, Describe(Find(texts, texts.Keys.OrderBy(key => Digest256.Of(key).ToString(), StringComparer.Ordinal), threads)));
        }
        Assert.All(Find(texts, texts.Keys, 2), group => Assert.All(group.Removed, removed => Assert.True(string.CompareOrdinal(group.Kept, removed.Key) < 0)));
    }

    [Fact]
    public void Copies_of_copies_are_one_group_and_the_smallest_key_stays()
    {
        string[] words = WordText.Words(1, 400);
        var texts = new Dictionary<string, byte[]>();
        // Each text differs from its neighbour in some words at the end; the first and the last are less than 0.8 alike.
        for (int i = 0; i < 6; i++) texts.Add($"{(char)('f' - i)}", WordText.Bytes([.. words[(12 * i)..], .. WordText.Words(99, 12 * i)]));
        var hasher = new MinHasher(new MinHashOptions());
        Assert.True(MinHasher.Jaccard(hasher.Shingles(texts["a"]), hasher.Shingles(texts["f"])) < 0.8);
        var group = Assert.Single(Find(texts, texts.Keys, 1));
        Assert.Equal("a", group.Kept);
        Assert.Equal(["b", "c", "d", "e", "f"], group.Removed.Select(removed => removed.Key));
        Assert.All(group.Removed, removed => Assert.InRange(removed.Similarity, 0.8, 1));
    }

    [Fact]
    public void Thousands_of_equal_documents_are_one_group_without_millions_of_comparisons()
    {
        byte[] text = WordText.Bytes(WordText.Words(1, 50));
        var texts = Enumerable.Range(0, 5000).ToDictionary(i => $"{i:0000}", _ => text);
        var store = Store(texts, texts.Keys, 2, new MinHashOptions());
        var group = Assert.Single(NearDuplicates.Find(store, new MinHashOptions(), key => texts[key], out NearDuplicateReport report));
        Assert.Equal(("0000", 4999), (group.Kept, group.Removed.Count));
        Assert.InRange(report.Compared, 4999, 10_000);
        Assert.Equal(0, report.Read);
    }

    [Fact]
    public void Two_documents_with_one_key_and_signatures_of_another_length_are_refused()
    {
        var options = new MinHashOptions();
        var store = new SignatureStore(options.Hashes);
        store.Add("a", new uint[112]);
        store.Add("a", new uint[112]);
        Assert.Contains("\"a\"", Assert.Throws<ArgumentException>(() => NearDuplicates.Find(store, options, null, out _)).Message);
        Assert.Contains("112", Assert.Throws<ArgumentException>(() => NearDuplicates.Find(store, options with { Rows = 4 }, null, out _)).Message);
        Assert.Throws<ArgumentException>(() => store.Add("b", new uint[5]));
        Assert.Contains("threshold", Assert.Throws<BadInputException>(() => new MinHasher(options with { Threshold = 1.5 })).Message);
        Assert.Contains("bands", Assert.Throws<BadInputException>(() => new MinHasher(options with { Bands = 0 })).Message);
    }

    private static Score Measure(bool readsTexts, Func<int, double> target, MinHashOptions? options = null)
    {
        options ??= new MinHashOptions();
        var texts = new Dictionary<string, byte[]>();
        var duplicates = new HashSet<int>();
        for (int i = 0; i < Pairs; i++)
        {
            var (first, second, similarity) = WordText.Pair((ulong)i + 1000, 100 + (int)(CounterRandom.Bits(3, (ulong)i) % 400), target(i));
            if (similarity >= options.Threshold) duplicates.Add(i);
            texts.Add($"{i}-a", first);
            texts.Add($"{i}-b", second);
        }
        var store = Store(texts, texts.Keys, 2, options);
        var groups = NearDuplicates.Find(store, options, readsTexts ? key => texts[key] : null, out NearDuplicateReport report);
        var found = groups.SelectMany(group => group.Removed.Select(removed => (Kept: int.Parse(group.Kept[..^2]), Removed: int.Parse(removed.Key[..^2])))).ToList();
        int right = found.Count(pair => pair.Kept == pair.Removed && duplicates.Contains(pair.Removed));
        return new Score((double)right / duplicates.Count, found.Count == 0 ? 1 : (double)right / found.Count, report);
    }

    private static IReadOnlyList<DuplicateGroup> Find(IDictionary<string, byte[]> texts, IEnumerable<string> order, int threads) =>
        NearDuplicates.Find(Store(texts, order, threads, new MinHashOptions()), new MinHashOptions(), key => texts[key], out _);

    private static SignatureStore Store(IDictionary<string, byte[]> texts, IEnumerable<string> order, int threads, MinHashOptions options)
    {
        var hasher = new MinHasher(options);
        var store = new SignatureStore(hasher.Length);
        Parallel.ForEach(order, new ParallelOptions { MaxDegreeOfParallelism = threads }, key =>
        {
            uint[] signature = new uint[hasher.Length];
            Assert.True(hasher.Sign(texts[key], signature));
            store.Add(key, signature);
        });
        return store;
    }

    private static string Describe(IEnumerable<DuplicateGroup> groups) =>
        string.Join('\n', groups.Select(group => $"{group.Kept} < {string.Join(", ", group.Removed.Select(removed => $"{removed.Key} like {removed.Like} {removed.Similarity:R}"))}"));

    private sealed record Score(double Recall, double Precision, NearDuplicateReport Report);
}
