using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Data.Deduplication;

namespace ElasticTrain.Data.Tests.Deduplication;

public sealed class MinHasherTests
{
    [Theory]
    [InlineData("The quick brown fox", "the QUICK, brown -- fox!")]
    [InlineData("don't do it", "dont do it")]
    [InlineData("It’s Ünïcode", "its ünïcode.")]
    [InlineData("我喜歡貓", "我 喜 歡,貓。")]
    [InlineData("in 東京 and", "in東京and")]
    [InlineData("カタカナ", "カ タ カ ナ")]
    [InlineData("", " -- \n")]
    public void Words_are_lower_case_without_punctuation_and_ideographs_stand_alone(string left, string right) => Assert.Equal(Words(left), Words(right));

    [Theory]
    [InlineData("a b", "ab")]
    [InlineData("caf\u00e9", "cafe")]
    [InlineData("1 2", "12")]
    [InlineData("我喜歡", "我歡喜")]
    [InlineData("\u0915\u093F", "\u0915")]
    public void Other_words_have_other_hashes(string left, string right) => Assert.NotEqual(Words(left), Words(right));

    [Fact]
    public void Bytes_that_are_no_text_separate_words()
    {
        byte[] broken = [.. "ab"u8, 0xFF, .. "cd"u8, 0xE6, 0x88];
        var scanner = new WordScanner(broken);
        var words = new List<ulong>();
        while (scanner.MoveNext()) words.Add(scanner.Word);
        Assert.Equal(Words("ab cd"), words);
    }

    [Fact]
    public void Shingles_are_all_runs_of_five_words_and_a_short_text_is_one()
    {
        var hasher = new MinHasher(new MinHashOptions());
        Assert.Equal(3, hasher.Shingles("a b c d e f g"u8).Length);
        Assert.Single(hasher.Shingles("a b c d e"u8));
        Assert.Single(hasher.Shingles("a b c"u8));
        Assert.NotEqual(hasher.Shingles("a b c"u8), hasher.Shingles("a b d"u8));
        Assert.Empty(hasher.Shingles(" ... "u8));
        // x repeated has one shingle only.
        Assert.Single(hasher.Shingles(WordText.Bytes(Enumerable.Repeat("x", 5000))));
        ulong[] all = hasher.Shingles(WordText.Bytes(WordText.Words(3, 5000)));
        Assert.Equal(4996, all.Length);
        Assert.Equal(all.Order(), all);
    }

    [Fact]
    public void Signatures_are_minima_as_defined_for_texts_of_any_length()
    {
        foreach (var options in new[] { new MinHashOptions(), new MinHashOptions { Bands = 5, Rows = 3, ShingleWords = 2, Seed = 9 } })
        {
            var hasher = new MinHasher(options);
            ulong key = CounterRandom.Key(options.Seed, "minhash/1");
            foreach (int words in (int[])[1, 4, 5, 6, 511, 512, 513, 516, 517, 3000])
            {
                byte[] text = WordText.Bytes(WordText.Words((ulong)words, words));
                uint[] signature = new uint[hasher.Length];
                Assert.True(hasher.Sign(text, signature));
                Assert.Equal(Enumerable.Range(0, hasher.Length).Select(i => hasher.Shingles(text).Min(x => ((uint)CounterRandom.Bits(key, (ulong)i) | 1) * (uint)x + (uint)(x >> 32))), signature);
            }
        }
    }

    [Fact]
    public void A_text_without_words_has_no_signature()
    {
        var hasher = new MinHasher(new MinHashOptions());
        Assert.False(hasher.Sign("?!"u8, new uint[112]));
        Assert.Throws<ArgumentException>(() => hasher.Sign("a"u8, new uint[111]));
    }

    [Fact]
    public void Agreement_estimates_the_Jaccard_similarity_with_the_error_that_theory_says()
    {
        var hasher = new MinHasher(new MinHashOptions());
        (double sum, double squares, int count) = (0, 0, 1500);
        for (int i = 0; i < count; i++)
        {
            var (first, second, similarity) = WordText.Pair((ulong)i, 200, 0.6);
            Assert.Equal(similarity, MinHasher.Jaccard(hasher.Shingles(first), hasher.Shingles(second)), 12);
            uint[] a = new uint[112], b = new uint[112];
            hasher.Sign(first, a);
            hasher.Sign(second, b);
            double error = MinHasher.Agreement(a, b) / 112.0 - similarity;
            sum += error;
            squares += error * error;
        }
        Assert.InRange(sum / count, -0.005, 0.005);
        Assert.InRange(squares / count, 0.85 * 0.24 / 112, 1.15 * 0.24 / 112);
    }

    private static List<ulong> Words(string text)
    {
        var words = new List<ulong>();
        var scanner = new WordScanner(Encoding.UTF8.GetBytes(text));
        while (scanner.MoveNext()) words.Add(scanner.Word);
        return words;
    }
}
