using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class CorpusTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_of_texts_is_split_whole_and_comes_out_the_same_again()
    {
        WriteTexts(60);
        using var first = Prepare("a");
        using var second = Prepare("b");
        Assert.Equal(first.ContentHash, second.ContentHash);
        Assert.Equal(ByteTokenizer.Hash, first.TokenizerHash);
        Assert.Equal(60, first.Train.Documents + first.Validation.Documents);
        Assert.InRange(first.Validation.Documents, 5, 25);
        Assert.False(first.Train.HasMask);
        var texts = Texts(first.Train).Concat(Texts(first.Validation)).Order(StringComparer.Ordinal);
        Assert.Equal(Enumerable.Range(0, 60).Select(TextOf).Order(StringComparer.Ordinal), texts);
        first.Train.Verify();
        first.Validation.Verify();

        using var otherSeed = Prepare("c", seed: 1);
        Assert.NotEqual(Texts(first.Validation), Texts(otherSeed.Validation));
    }

    [Fact]
    public void The_files_names_and_order_change_nothing()
    {
        WriteTexts(20);
        using var first = Prepare("a");
        string[] files = Directory.GetFiles(_folder["input"]);
        Directory.CreateDirectory(_folder["input/deeper"]);
        for (int i = 0; i < files.Length; i++) File.Move(files[i], _folder[$"input/deeper/{files.Length - i}.md"]);
        using var second = Prepare("b");
        Assert.Equal(first.ContentHash, second.ContentHash);
    }

    [Fact]
    public void Equal_documents_never_stand_on_both_sides()
    {
        Directory.CreateDirectory(_folder["input"]);
        for (int i = 0; i < 200; i++) File.WriteAllText(_folder[$"input/{i}.txt"], TextOf(i % 20));
        using var corpus = Prepare("a", share: 0.5);
        Assert.Empty(Texts(corpus.Train).Intersect(Texts(corpus.Validation)));
        Assert.NotEqual(0, corpus.Train.Documents);
    }

    [Fact]
    public void One_large_file_is_cut_at_line_ends_and_loses_nothing()
    {
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"Line {i} äöü\n"));
        File.WriteAllText(_folder["book.txt"], text, Encoding.UTF8);
        using var corpus = Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder["book.txt"], 0.1));
        var sections = Texts(corpus.Train).Concat(Texts(corpus.Validation)).ToList();
        Assert.All(sections, section => Assert.EndsWith("\n", section));
        Assert.Equal(text.Split('\n').Order(), string.Concat(sections).Split('\n').Order());
        Assert.True(corpus.Validation.Documents >= 1);
    }

    [Fact]
    public void A_file_without_line_ends_is_cut_between_characters()
    {
        File.WriteAllText(_folder["one-line.txt"], string.Concat(Enumerable.Repeat("🙂ab", 3000)));
        using var corpus = Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder["one-line.txt"], 0.1));
        var sections = Texts(corpus.Train).Concat(Texts(corpus.Validation)).ToList();
        Assert.All(sections, section => Assert.DoesNotContain('\uFFFD', section));
        Assert.Equal(12_000, sections.Sum(section => section.Length));
    }

    [Fact]
    public void Prompts_do_not_count_in_the_loss_and_completions_do()
    {
        File.WriteAllLines(_folder["chat.jsonl"], Enumerable.Range(0, 30).Select(i => $$"""{"prompt": "P{{i}}é", "completion": "C{{i}}"}""").Append(""));
        using var corpus = Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder["chat.jsonl"], 0.2));
        Assert.True(corpus.Train.HasMask);
        int[] tokens = new int[corpus.Train.TokenCount];
        byte[] mask = new byte[tokens.Length];
        corpus.Train.Read(0, tokens);
        corpus.Train.ReadMask(0, mask);
        string counted = ByteTokenizer.Decode([.. tokens.Where((_, i) => mask[i] == 1)]);
        string hidden = ByteTokenizer.Decode([.. tokens.Where((_, i) => mask[i] == 0)]);
        Assert.Matches("^(C[0-9]+)+$", counted);
        Assert.Matches("^(P[0-9]+é)+$", hidden);
        Assert.All(tokens.Select((token, i) => (token, i)).Where(item => item.token == ByteTokenizer.EndOfDocument), item => Assert.Equal(1, mask[item.i]));
    }

    [Fact]
    public void Completions_of_one_prompt_stay_together()
    {
        File.WriteAllLines(_folder["chat.jsonl"], Enumerable.Range(0, 100).Select(i => $$"""{"prompt": "P{{i % 10}} ", "completion": "C{{i}}"}"""));
        using var corpus = Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder["chat.jsonl"], 0.5));
        static IEnumerable<string> Prompts(TokenShardSet set) => Texts(set).Select(text => text.Split(' ')[0]).Distinct();
        Assert.Empty(Prompts(corpus.Train).Intersect(Prompts(corpus.Validation)));
    }

    [Fact]
    public void The_limit_holds_for_both_sides_together()
    {
        WriteTexts(60);
        using var corpus = Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder["input"], 0.2, 0, 5_000));
        Assert.InRange(corpus.Train.TextBytes + corpus.Validation.TextBytes, 4_000, 5_000);
    }

    [Fact]
    public void Bad_bytes_are_refused_with_file_and_offset()
    {
        File.WriteAllBytes(_folder["bad.txt"], [.. "fine ä"u8, 0xC3, 0x28]);
        var error = Assert.Throws<BadInputException>(() => Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder["bad.txt"])));
        Assert.EndsWith("bad.txt, offset 7", error.Where);
        Assert.Equal("the byte 0xC3", error.Found);
    }

    [Theory]
    [InlineData("{\"text\": 1}", "a string")]
    [InlineData("{\"words\": \"a\"}", "{\"text\": ...} or {\"prompt\": ..., \"completion\": ...}")]
    [InlineData("[1]", "{\"text\": ...} or {\"prompt\": ..., \"completion\": ...}")]
    [InlineData("{\"text\": \"\\ud800\"}", "valid Unicode")]
    [InlineData("{\"text\": ", "one JSON object per line")]
    public void Bad_lines_are_refused_with_their_number(string line, string expected)
    {
        File.WriteAllLines(_folder["bad.jsonl"], ["{\"text\": \"good\"}", "", line]);
        var error = Assert.Throws<BadInputException>(() => Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder["bad.jsonl"])));
        Assert.Contains("bad.jsonl, line 3", error.Where);
        Assert.Equal(expected, error.Expected);
    }

    [Fact]
    public void Missing_empty_and_tiny_inputs_are_refused()
    {
        Assert.Equal("no such file or folder", Refusal("nowhere").Found);
        Directory.CreateDirectory(_folder["empty"]);
        File.WriteAllBytes(_folder["empty/picture.png"], [1, 2]);
        Assert.Equal("no text", Refusal("empty").Found);
        File.WriteAllText(_folder["tiny.txt"], "hello");
        Assert.Contains("two at least", Refusal("tiny.txt").Expected);
        Assert.Throws<BadInputException>(() => Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(null, 1.0)));
        Assert.Throws<BadInputException>(() => Corpus.Open(_folder["a"]));

        BadInputException Refusal(string input) => Assert.Throws<BadInputException>(() => Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(_folder[input])));
    }

    [Fact]
    public void Neither_packs_nor_input_says_both()
    {
        var error = Assert.Throws<BadInputException>(() => Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(), [_folder["sdk"]]));
        Assert.Contains("packs", error.Message);
        Assert.Contains("data.input", error.Message);
        Assert.Contains(_folder["sdk"], error.Message);
    }

    [Fact]
    public void Packs_of_an_sdk_are_found_and_a_file_in_two_packs_counts_once()
    {
        foreach (string reference in new[] { "P.One/1.2.0", "P.One/1.10.0", "P.Two/1.0.0" })
        {
            string folder = Directory.CreateDirectory(_folder[$"sdk/packs/{reference}/ref/net10.0"]).FullName;
            string[] members = [.. Enumerable.Range(0, 40).Select(i => $"<member name=\"T:N.T{i}\"><summary>Type {i}, {(reference == "P.One/1.2.0" ? "old" : "new")}.</summary></member>")];
            File.WriteAllText(Path.Combine(folder, "N.xml"), $"<doc><assembly><name>N</name></assembly><members>{string.Concat(members)}</members></doc>");
        }
        using var corpus = Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(null, 0.2), [_folder["nothing"], _folder["sdk"]]);
        var texts = Texts(corpus.Train).Concat(Texts(corpus.Validation)).ToList();
        Assert.Equal(40, texts.Count);
        Assert.All(texts, text => Assert.Contains("new", text));
        Assert.Contains("P.One 1.10.0, P.One 1.2.0, P.Two 1.0.0", corpus.Description);
    }

    [Fact]
    public void A_preparation_that_died_is_done_again_and_its_remains_removed()
    {
        WriteTexts(60);
        using (var reference = Prepare("a")) Assert.NotNull(reference);
        // As if killed between the last rename and the seal, and another time in the middle of writing.
        File.Delete(_folder["a/corpus.json"]);
        string tokens = Directory.GetFiles(_folder["a"], "tokens-*.bin", SearchOption.AllDirectories)[0];
        File.WriteAllBytes(tokens, [1, 2, 3]);
        Directory.CreateDirectory(_folder["a/unfinished-1-x/train"]);
        Assert.Throws<BadInputException>(() => Corpus.Open(_folder["a"]));

        using var corpus = Prepare("a");
        corpus.Train.Verify();
        corpus.Validation.Verify();
        Assert.Single(Directory.GetDirectories(_folder["a"]));
    }

    [Fact]
    public async Task Processes_that_prepare_one_folder_at_once_end_with_one_sound_corpus()
    {
        WriteTexts(60);
        using var barrier = new Barrier(4);
        // The lock belongs to an open file, so threads exclude each other exactly as processes do.
        var preparations = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
            () =>
            {
                barrier.SignalAndWait();
                return Prepare("a");
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        var corpora = await Task.WhenAll(preparations).WaitAsync(TimeSpan.FromSeconds(30));
        foreach (var corpus in corpora)
        {
            using (corpus) corpus.Train.Verify();
            Assert.Equal(corpora[0].ContentHash, corpus.ContentHash);
        }
        Assert.Single(Directory.GetDirectories(_folder["a"]));
    }

    [Fact]
    public void A_folder_prepared_with_other_options_is_refused_not_silently_used()
    {
        WriteTexts(60);
        Prepare("a").Dispose();
        Assert.Contains("seed", Assert.Throws<BadInputException>(() => Prepare("a", seed: 1)).Where);
        Assert.Contains("input", Assert.Throws<BadInputException>(() => Corpus.PrepareOrOpen(_folder["a"], new CorpusOptions(null, 0.2))).Where);
        Directory.Delete(_folder["input"], recursive: true);
        using var opened = Prepare("a");
        Assert.NotEqual(0, opened.Train.TokenCount);
    }

    [Fact]
    public void A_damaged_seal_is_said_so()
    {
        WriteTexts(20);
        Prepare("a").Dispose();
        string seal = File.ReadAllText(_folder["a/corpus.json"]);
        File.WriteAllText(_folder["a/corpus.json"], seal[..30]);
        Assert.Throws<CorruptionException>(() => Corpus.Open(_folder["a"]));
        using (var corpus = Corpus.PrepareOrOpen(_folder["b"], new CorpusOptions(_folder["input"], 0.2)))
            File.WriteAllText(_folder["a/corpus.json"], seal.Replace(corpus.ContentHash.ToString(), Digest256.Of("x").ToString()));
        Assert.Throws<CorruptionException>(() => Corpus.Open(_folder["a"]));
    }

    private PreparedCorpus Prepare(string directory, double share = 0.2, ulong seed = 0) =>
        Corpus.PrepareOrOpen(_folder[directory], new CorpusOptions(_folder["input"], share, seed));

    private void WriteTexts(int count)
    {
        Directory.CreateDirectory(_folder["input"]);
        for (int i = 0; i < count; i++) File.WriteAllText(_folder[$"input/{i}.txt"], TextOf(i));
    }

    private static string TextOf(int i) => $"Document {i}: {new string((char)('a' + i % 26), 100 + i)}";

    private static List<string> Texts(TokenShardSet set)
    {
        int[] tokens = new int[set.TokenCount];
        set.Read(0, tokens);
        var texts = new List<string>();
        for (int start = 0, i = 0; i < tokens.Length; i++)
        {
            if (tokens[i] != ByteTokenizer.EndOfDocument) continue;
            texts.Add(ByteTokenizer.Decode(tokens.AsSpan(start, i - start)));
            start = i + 1;
        }
        return texts;
    }
}
