using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class TokenizerTrainerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(PreTokenization.Gpt2)]
    [InlineData(PreTokenization.Cl100k)]
    [InlineData(PreTokenization.DeepSeekV3)]
    public void Merges_are_those_of_the_definition(PreTokenization rules)
    {
        for (int seed = 0; seed < 40; seed++)
        {
            string[] texts = seed % 2 == 0 ? [RandomText.Of(seed, 120), RandomText.Of(seed + 1, 60)] : [RandomText.Words(seed, 60, 1 + seed % 4)];
            var documents = RandomText.Documents(texts);
            var options = new TrainerOptions
            {
                VocabSize = 340,
                PreTokenization = rules,
                MinFrequency = 1 + seed % 3,
                MinPreTokenCount = 1 + seed / 20,
                Specials = ["<eos>", "ab", "aa"],
                Threads = 1 + seed % 3,
            };
            Assert.Equal(NaiveTrainer.Merges(documents, options), TokenizerTrainer.Train(documents, options).Model.Merges);
        }
    }

    [Theory]
    [InlineData(PreTokenization.Gpt2)]
    [InlineData(PreTokenization.Cl100k)]
    [InlineData(PreTokenization.DeepSeekV3)]
    public void Merges_are_those_of_Hugging_Faces_trainer(PreTokenization rules)
    {
        var options = new TrainerOptions { VocabSize = 2000, PreTokenization = rules, MinFrequency = 1, Specials = [] };
        TokenizerModel model = TokenizerTrainer.Train(Golden.Lines(), options).Model;
        Assert.Equal(Golden.Of(rules).Merges, model.Merges.Select(merge => $"{ByteStandIns.Of(model.BytesOf(merge.Left))} {ByteStandIns.Of(model.BytesOf(merge.Right))}"));
    }

    [Fact]
    public void Neither_threads_nor_memory_nor_the_order_of_documents_change_the_vocabulary()
    {
        var documents = RandomText.Documents(Enumerable.Range(0, 60).Select(i => RandomText.Words(i, 400, 12, 14)));
        var options = new TrainerOptions { VocabSize = 600, TemporaryFolder = _folder.Path, Threads = 1 };
        var (expected, report) = TokenizerTrainer.Train(documents, options);
        Assert.Equal(0, report.SpilledTables);
        Assert.Equal(600, expected.VocabSize);
        foreach (int threads in (int[])[1, 2, 5])
        {
            foreach (long memory in (long[])[1 << 20, 1 << 30])
            {
                var (model, said) = TokenizerTrainer.Train(Enumerable.Reverse(documents), options with { Threads = threads, Memory = memory });
                Assert.Equal(expected.Hash, model.Hash);
                Assert.Equal(report with { SpilledTables = said.SpilledTables }, said);
                Assert.Equal(memory < 1 << 30, said.SpilledTables > 0);
            }
        }
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Counts_are_the_same_when_tables_spill_hundreds_of_times(int threads)
    {
        var documents = RandomText.Documents(Enumerable.Range(0, 60).Select(i => RandomText.Words(i, 300, 6) + RandomText.Of(i, 200)));
        var expected = Counts(1, 1 << 30, out int none);
        Assert.Equal(0, none);
        Assert.Equal(expected, Counts(threads, 4 << 10, out int spilled));
        // More than sixteen times sixteen, so that merged runs are merged again.
        Assert.True(spilled > 256, $"{spilled} tables");
        Assert.Equal(expected.Select(pair => pair.Token), expected.Select(pair => pair.Token).Order(StringComparer.Ordinal));

        List<(string Token, long Count)> Counts(int threads, long memory, out int spilled)
        {
            var counts = new List<(string, long)>();
            var counter = new PreTokenCounter(PreTokenization.Cl100k, threads, memory, _folder.Path);
            counter.Count(documents, (token, count) => counts.Add((Convert.ToHexString(token), count)), CancellationToken.None);
            spilled = counter.Spilled;
            return counts;
        }
    }

    [Fact]
    public void Nothing_is_left_in_the_temporary_folder_after_an_error_or_when_stopped()
    {
        var options = new TrainerOptions { VocabSize = 300, TemporaryFolder = _folder.Path, Threads = 2, Memory = 1 << 20 };
        using var stop = new CancellationTokenSource();
        var error = Assert.Throws<InvalidDataException>(() => TokenizerTrainer.Train(Documents(() => throw new InvalidDataException("document 400")), options));
        Assert.Equal("document 400", error.Message);
        Assert.Throws<OperationCanceledException>(() => TokenizerTrainer.Train(Documents(stop.Cancel), options, stop.Token));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));

        IEnumerable<ReadOnlyMemory<byte>> Documents(Action then)
        {
            for (int i = 0; i < 500; i++)
            {
                if (i == 400) then();
                yield return RandomText.Documents([RandomText.Words(i, 300, 20, 12)])[0];
            }
        }
    }

    [Fact]
    public void Counts_beyond_32_bits_are_exact()
    {
        var words = new WordList();
        int[] idOf = [.. Enumerable.Range(0, 256)];
        words.Add("ab"u8, idOf, 3_000_000_000);
        words.Add("cd"u8, idOf, 5_000_000_001);
        words.Add("xcd"u8, idOf, 4_000_000_000_000);
        words.Add("ef"u8, idOf, 4_005_000_000_002);
        var learner = new MergeLearner(words, 1);
        var pairs = new List<string>();
        for (int id = 256; learner.Best(1, (_, _) => true) is (int left, int right); id++)
        {
            pairs.Add($"{left}+{right}");
            learner.Merge(left, right, id);
        }
        Assert.Equal(["101+102", "99+100", "120+257", "97+98"], pairs);
    }

    [Fact]
    public void A_long_run_of_one_letter_is_merged_from_the_left()
    {
        var options = new TrainerOptions { VocabSize = 262, Specials = [], MinFrequency = 1 };
        TokenizerModel model = TokenizerTrainer.Train(RandomText.Documents(["aaaaaaa"]), options).Model;
        Assert.Equal(["aa", "aaaa", "aaa", "aaaaaaa"], model.Merges.Select(merge => System.Text.Encoding.UTF8.GetString(model.BytesOf(merge.Id))));
    }

    [Theory]
    [InlineData("256 bytes", 256)]
    [InlineData("least frequency", 300, 0L)]
    [InlineData("no text", 300)]
    public void A_mistake_is_named(string says, int size, long frequency = 2)
    {
        var options = new TrainerOptions { VocabSize = size, MinFrequency = frequency };
        Assert.Contains(says, Assert.Throws<BadInputException>(() => TokenizerTrainer.Train([], options)).Message);
    }

    [Fact]
    public void Options_that_cannot_be_are_named()
    {
        var options = new TrainerOptions { VocabSize = 300 };
        Assert.Contains("twice", Refusal(options with { Specials = ["<a>", "<a>"] }));
        Assert.Contains("two characters", Refusal(options with { Specials = ["a"] }));
        Assert.Contains("Unicode", Refusal(options with { Specials = ["a\uD800"] }));
        Assert.Contains("memory", Refusal(options with { Memory = 1000 }));
        Assert.Contains("threads", Refusal(options with { Threads = -1 }));
        Assert.Contains("no such folder", Refusal(options with { TemporaryFolder = _folder["nowhere"] }));

        static string Refusal(TrainerOptions options) => Assert.Throws<BadInputException>(options.Validate).Message;
    }
}
