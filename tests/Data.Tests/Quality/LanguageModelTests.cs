using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Data.Deduplication;
using ElasticTrain.Data.Quality;
using Xunit.Abstractions;

namespace ElasticTrain.Data.Tests.Quality;

public sealed class LanguageModelTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_small_example_has_the_probabilities_that_one_computes_by_hand()
    {
        // Sentences: a b, a c. Bigrams: <s> a 2, a b 1, a c 1, b </s> 1, c </s> 1. Words that stand before a, b, c: 1 each, before </s>: 2.
        // Too few for the formula: discounts 0.5, 1, 1.5. Unigrams: (3 * 0.5 + 1) / 5 = 0.5 is left over, for five words with the unknown one.
        LanguageModel model = Train(new LanguageModelOptions { Order = 2 }, "a b. A c!");
        Assert.Equal(new Discounts(0.5, 1, 1.5), model.Discounts[1]);
        double a = 0.5 / 5 + 0.5 / 5, end = 1.0 / 5 + 0.5 / 5, unknown = 0.5 / 5;
        Assert.Equal(a, P(model, [], "a"), 6);
        Assert.Equal(end, P(model, [], "</s>"), 6);
        Assert.Equal(unknown, P(model, [], "zebra"), 6);
        // After <s>: (2 - 1) / 2 + 1 / 2 * p(a). After a: (1 - 0.5) / 2 + (0.5 + 0.5) / 2 * p(b).
        Assert.Equal(0.5 + 0.5 * a, P(model, ["<s>"], "a"), 6);
        Assert.Equal(0.25 + 0.5 * a, P(model, ["a"], "b"), 6);
        Assert.Equal(0.5 * unknown, P(model, ["a"], "zebra"), 6);
        Assert.Equal(0.5 + 0.5 * end, P(model, ["b"], "</s>"), 6);
        // A context that never came leaves all to the unigrams.
        Assert.Equal(a, P(model, ["zebra"], "a"), 6);
        TextScore score = model.Score("a b"u8);
        Assert.Equal(Math.Log(0.6 * 0.35 * 0.65), score.LogProbability, 6);
        Assert.Equal((2, 1, 0), (score.Words, score.Sentences, score.Unknown));
        Assert.Equal(Math.Pow(0.6 * 0.35 * 0.65, -1.0 / 3), score.Perplexity!.Value, 5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Probabilities_are_those_of_the_definition(int order)
    {
        string[][] sentences = [.. Enumerable.Range(0, 120).Select(i => Sentence((ulong)i))];
        LanguageModel model = Train(new LanguageModelOptions { Order = order }, Text(sentences));
        var naive = new NaiveKneserNey(sentences, order);
        // Lower orders of so small a text are too regular for the formula: both ways of choosing discounts are met.
        if (order >= 3) Assert.NotEqual(new Discounts(0.5, 1, 1.5), model.Discounts[^1]);
        string[] words = [.. sentences.SelectMany(sentence => sentence).Distinct(), "</s>", "zebra"];
        foreach (string[] context in Contexts(sentences))
        {
            string[] full = context is [] or ["zebra", ..] ? context : ["<s>", .. context];
            foreach (string word in words) Assert.Equal(naive.Probability(full, word), P(model, full, word), 1e-6);
        }
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(3, null)]
    [InlineData(3, 3)]
    [InlineData(3, 2)]
    [InlineData(5, 3)]
    public void Probabilities_of_all_words_add_up_to_one_after_any_context(int order, int? prune)
    {
        string[][] sentences = [.. Enumerable.Range(0, 400).Select(i => Sentence((ulong)i))];
        LanguageModel model = Train(new LanguageModelOptions { Order = order, PruneSingletonsFrom = prune }, Text(sentences));
        if (prune is not null) Assert.True(model.Count(order) < Train(new LanguageModelOptions { Order = order }, Text(sentences)).Count(order));
        foreach (string[] context in Contexts(sentences))
        {
            double sum = 0;
            for (int id = 0; id < model.Vocabulary.Count; id++)
                if (id != Vocabulary.Begin) sum += Math.Exp(model.LogProbability(Ids(model, context), id));
            Assert.Equal(1, sum, 6);
        }
    }

    [Fact]
    public void Perplexity_is_low_on_text_of_the_same_kind_and_high_on_shuffled_words_and_on_nonsense()
    {
        string[][] sentences = [.. Enumerable.Range(0, 3000).Select(i => Sentence((ulong)i))], fresh = [.. Enumerable.Range(5000, 200).Select(i => Sentence((ulong)i))];
        LanguageModel model = Train(new LanguageModelOptions(), Text(sentences));
        string[] all = [.. fresh.SelectMany(sentence => sentence)];
        string[] shuffled = [.. all.Select((word, i) => (word, Place: CounterRandom.Bits(77, (ulong)i))).OrderBy(item => item.Place).Select(item => item.word)];
        double? same = Perplexity(Text(fresh)), mixed = Perplexity(Text([.. shuffled.Chunk(8)])), nonsense = Perplexity(string.Join(' ', all.Select(word => "q" + word)));
        output.WriteLine($"same kind {same:F1}, shuffled {mixed:F1}, nonsense {nonsense:F1}");
        Assert.True(same * 2 < mixed && mixed * 5 < nonsense);
        Assert.True(Perplexity(Text(sentences)) < same);
        Assert.Null(Perplexity("..."));

        double? Perplexity(string text) => model.Score(Encoding.UTF8.GetBytes(text)).Perplexity;
    }

    [Fact]
    public void Sentences_end_at_stops_before_white_space_and_at_empty_lines_only()
    {
        LanguageModel model = Train(new LanguageModelOptions(), "a b c");
        foreach ((string text, int sentences) in new[] { ("Version 3.14 of it", 1), ("One. Two! Three?", 3), ("He said \"no.\" Then", 2), ("a\nb", 1), ("a\n \nb", 2), ("你好。再見", 2), ("e.g. this", 2), ("", 0), ("...", 0) })
            Assert.Equal(sentences, model.Score(Encoding.UTF8.GetBytes(text)).Sentences);
        Assert.Equal(P(model, [], "12"), P(model, [], "34"));
    }

    [Fact]
    public void A_file_gives_the_same_model_and_the_same_bytes_for_any_order_of_documents()
    {
        string[] texts = [.. Enumerable.Range(0, 50).Select(i => Text([.. Enumerable.Range(0, 20).Select(j => Sentence((ulong)(i * 20 + j)))]))];
        var options = new LanguageModelOptions { Order = 4, PruneSingletonsFrom = 4 };
        LanguageModel model = Train(options, texts);
        LanguageModelFile.Save(model, _folder["a.lm"]);
        LanguageModelFile.Save(Train(options, [.. texts.Reverse()]), _folder["b.lm"]);
        Assert.Equal(File.ReadAllBytes(_folder["a.lm"]), File.ReadAllBytes(_folder["b.lm"]));
        LanguageModel read = ReferenceModel.Open(_folder["a.lm"], new LanguageModelOptions());
        Assert.Equal((model.Reference, model.ReferenceWords, model.Order, model.VocabularySize), (read.Reference, read.ReferenceWords, read.Order, read.VocabularySize));
        Assert.Equal(model.Discounts, read.Discounts);
        byte[] text = Encoding.UTF8.GetBytes(texts[7] + " zebra");
        Assert.Equal(model.Score(text), read.Score(text));
        Assert.Equal(1, read.Score(text).Unknown);
    }

    [Fact]
    public void Any_flipped_bit_and_any_cut_of_a_file_is_found()
    {
        LanguageModelFile.Save(Train(new LanguageModelOptions(), "a b c. b c a"), _folder["a.lm"]);
        byte[] content = File.ReadAllBytes(_folder["a.lm"]);
        for (int i = 8; i < content.Length; i++)
        {
            byte[] damaged = [.. content];
            damaged[i] ^= (byte)(1 << i % 8);
            Refuses<CorruptionException>(damaged);
            if (i < content.Length - 1 && i > 8) Assert.ThrowsAny<ElasticTrainException>(() => Load(content[..i]));
        }
        Refuses<BadInputException>([.. "some other file"u8]);
        Assert.Contains("no such file", Assert.Throws<BadInputException>(() => LanguageModelFile.Load(_folder["none"])).Message);

        void Refuses<T>(byte[] bytes) where T : Exception => Assert.Throws<T>(() => Load(bytes));

        LanguageModel Load(byte[] bytes)
        {
            File.WriteAllBytes(_folder["b.lm"], bytes);
            return LanguageModelFile.Load(_folder["b.lm"]);
        }
    }

    [Fact]
    public void A_reference_is_a_text_a_folder_or_a_mistake_that_is_named()
    {
        Directory.CreateDirectory(_folder["texts"]);
        File.WriteAllText(_folder["texts/one.txt"], "a b c");
        File.WriteAllText(_folder["texts/two.txt"], "d e f");
        Assert.Equal(("texts", 6), (Open(_folder["texts"]).Reference, Open(_folder["texts"]).VocabularySize));
        Assert.Equal(("one.txt", 3), (Open(_folder["texts/one.txt"]).Reference, Open(_folder["texts/one.txt"]).VocabularySize));
        File.WriteAllText(_folder["dots.txt"], "... ---");
        Assert.Contains("no words", Assert.Throws<BadInputException>(() => Open(_folder["dots.txt"])).Message);
        Assert.Throws<BadInputException>(() => Open(_folder["nowhere"]));
        Assert.Contains("more than 5 words", Assert.Throws<BadInputException>(() => ReferenceModel.Open(_folder["texts"], new LanguageModelOptions { MaxWords = 5 })).Message);
        Assert.Contains("order", Assert.Throws<BadInputException>(() => new LanguageModelTrainer(new LanguageModelOptions { Order = 6 })).Message);
        Assert.Contains("prune", Assert.Throws<BadInputException>(() => new LanguageModelTrainer(new LanguageModelOptions { PruneSingletonsFrom = 1 })).Message);

        static LanguageModel Open(string path) => ReferenceModel.Open(path, new LanguageModelOptions());
    }

    [Fact]
    public void The_score_of_a_corpus_is_the_same_in_any_order()
    {
        LanguageModel model = Train(new LanguageModelOptions(), Text([.. Enumerable.Range(0, 200).Select(i => Sentence((ulong)i))]));
        TextScore[] scores = [.. Enumerable.Range(0, 300).Select(i => model.Score(Encoding.UTF8.GetBytes(Text([Sentence((ulong)i)]))))];
        var (forward, backward) = (new PerplexityTally(), new PerplexityTally());
        foreach (TextScore score in scores) forward.Add(score);
        Parallel.ForEach(scores.Reverse(), backward.Add);
        Assert.Equal(forward.Total, backward.Total);
        Assert.Equal(scores.Sum(score => score.LogProbability), forward.Total.LogProbability, 3);
        Assert.Equal(scores.Sum(score => score.Predictions), forward.Total.Predictions);
    }

    /// <summary>A walk through a small grammar: three words that follow each word, and a rare jump.</summary>
    private static string[] Sentence(ulong seed)
    {
        var words = new List<string>();
        ulong at = CounterRandom.Bits(seed, 0) % 40;
        for (ulong i = 1; i < 4 + CounterRandom.Bits(seed, 99) % 9; i++)
        {
            words.Add($"word{(char)('a' + at % 26)}{(char)('a' + at / 26)}");
            ulong random = CounterRandom.Bits(seed, i);
            at = random % 20 == 0 ? random / 20 % 40 : (at * 7 + random / 20 % 3 * 11 + 1) % 40;
        }
        return [.. words];
    }

    private static string Text(string[][] sentences) => string.Join(' ', sentences.Select(sentence => string.Join(' ', sentence) + "."));

    private static IEnumerable<string[]> Contexts(string[][] sentences) =>
        [[], ["zebra"], .. sentences.Take(12).SelectMany(sentence => Enumerable.Range(0, sentence.Length).Select(length => sentence[..length])), [.. sentences[0].Reverse()], ["zebra", sentences[0][0]]];

    private static LanguageModel Train(LanguageModelOptions options, params string[] texts)
    {
        var trainer = new LanguageModelTrainer(options);
        foreach (string text in texts) trainer.Add(Encoding.UTF8.GetBytes(text));
        return trainer.Train("a test");
    }

    private static double P(LanguageModel model, string[] context, string word) => Math.Exp(model.LogProbability(Ids(model, context), Ids(model, [word])[0]));

    private static int[] Ids(LanguageModel model, string[] words) => [.. words.Select(word => word switch
    {
        "<s>" => Vocabulary.Begin,
        "</s>" => Vocabulary.End,
        _ => Id(model, word),
    })];

    private static int Id(LanguageModel model, string word)
    {
        WordScanner scanner = Vocabulary.Scan(Encoding.UTF8.GetBytes(word));
        scanner.MoveNext();
        return model.Vocabulary.Id(scanner.Word);
    }
}
