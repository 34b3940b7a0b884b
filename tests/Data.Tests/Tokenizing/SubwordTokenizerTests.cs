using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class SubwordTokenizerTests
{
    private static readonly string[] Specials = ["<|endoftext|>", "<|end", "ab ab", .. SpecialTokens.DeepSeekFim];

    [Theory]
    [InlineData(PreTokenization.Gpt2)]
    [InlineData(PreTokenization.Cl100k)]
    [InlineData(PreTokenization.DeepSeekV3)]
    public void Ids_are_those_of_the_definition_and_every_byte_comes_back(PreTokenization rules)
    {
        TokenizerModel model = Learned(rules);
        var tokenizer = new SubwordTokenizer(model);
        var definition = new MergeEncoder(model.Tokens, model.Merges);
        for (int seed = 0; seed < 400; seed++)
        {
            string text = RandomText.Of(1000 + seed, 1 + seed) + (seed % 4 == 0 ? RandomText.Words(seed, 40, 3) : "") + (seed % 40 == 0 ? Long(seed) : "");
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            var expected = new List<int>();
            int start = 0;
            foreach (int end in new PreTokenScanner(rules).Scan(bytes))
            {
                definition.Encode(bytes.AsSpan(start, end - start), expected);
                start = end;
            }
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(expected, ids);
            Assert.Equal(bytes, tokenizer.Decode(ids));
            Assert.Equal(ids, tokenizer.Encode(text));
        }

        // One piece of a thousand letters: encoders take another way for long ones.
        static string Long(int seed) => RandomText.Words(seed, 1, 2, 1).Trim() + RandomText.Words(seed, 300, 3).Replace(" ", "", StringComparison.Ordinal) + new string('a', 700);
    }

    [Fact]
    public void Digits_scripts_and_code_come_back()
    {
        foreach (PreTokenization rules in Enum.GetValues<PreTokenization>())
        {
            var tokenizer = new SubwordTokenizer(Learned(rules));
            foreach (ReadOnlyMemory<byte> line in Golden.Lines())
            {
                int[] ids = tokenizer.Encode(Encoding.UTF8.GetString(line.Span));
                Assert.Equal(line.ToArray(), tokenizer.Decode(ids));
                Assert.True(ids.Length < line.Length || line.Length < 3, Encoding.UTF8.GetString(line.Span));
            }
        }
    }

    [Fact]
    public void Special_tokens_come_out_only_where_they_are_allowed()
    {
        var tokenizer = new SubwordTokenizer(Learned(PreTokenization.DeepSeekV3));
        const string Text = "x<|endoftext|><|end <｜fim▁hole｜>ab ab ab<|endoftext|>";
        int first = tokenizer.Model.Specials[0].Id;
        Assert.Equal(Specials, tokenizer.Model.Specials.Select(special => special.Text));
        Assert.DoesNotContain(tokenizer.Encode(Text), id => id >= first);
        int[] ids = tokenizer.Encode(Text, allowSpecials: true);
        Assert.Equal([first, first + 1, first + 4, first + 2, first], ids.Where(id => id >= first));
        foreach (bool allowed in (bool[])[false, true]) Assert.Equal(Text, Encoding.UTF8.GetString(tokenizer.Decode(tokenizer.Encode(Text, allowed))));
        Assert.Empty(tokenizer.Encode("", allowSpecials: true));
        Assert.Equal([first], tokenizer.Encode("<|endoftext|>", allowSpecials: true));
    }

    [Fact]
    public void A_text_that_a_special_token_has_is_never_an_ordinary_token()
    {
        var options = new TrainerOptions { VocabSize = 300, MinFrequency = 1, Specials = ["ab", "Ġx"] };
        TokenizerModel model = TokenizerTrainer.Train(RandomText.Documents(["ab ab ab abc xab x x x"]), options).Model;
        string[] ordinary = [.. Enumerable.Range(0, model.VocabSize).Select(id => ByteStandIns.Of(model.BytesOf(id)))];
        Assert.DoesNotContain("ab", ordinary);
        Assert.DoesNotContain("Ġx", ordinary);
        Assert.Contains("Ġa", ordinary);
    }

    [Fact]
    public void Cut_characters_decode_to_their_bytes_and_unknown_ids_are_refused()
    {
        var tokenizer = new SubwordTokenizer(Learned(PreTokenization.Gpt2));
        int[] ids = [.. Encoding.UTF8.GetBytes("世").Select(value => ByteStandIns.Order.ToList().IndexOf(value))];
        Assert.Equal("世"u8[..2].ToArray(), tokenizer.Decode(ids.AsSpan(0, 2)));
        Assert.Equal("世"u8.ToArray(), tokenizer.Decode(ids));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([tokenizer.Model.VocabSize]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([-1]));
        Assert.Equal("a\uFFFDb", Encoding.UTF8.GetString(tokenizer.Decode(tokenizer.Encode("a\uD83Db"))));
    }

    [Fact]
    public void Vocabularies_whose_formats_would_disagree_are_refused()
    {
        byte[][] bytes = [.. ByteStandIns.Order.Select(value => new[] { value })];
        int Id(char letter) => ByteStandIns.Order.ToList().IndexOf((byte)letter);
        // By the list of merges "abc" is a, bc; by ranks it is abc.
        var error = Assert.Throws<BadInputException>(() => TokenizerModel.Create(
            "test", PreTokenization.Gpt2, [.. bytes, "bc"u8.ToArray(), "ab"u8.ToArray(), "abc"u8.ToArray()],
            [new TokenMerge(Id('b'), Id('c'), 256), new TokenMerge(Id('a'), Id('b'), 257), new TokenMerge(257, Id('c'), 258)], []));
        Assert.Contains("token 258", error.Message);
        Assert.Contains("grow", Refusal([.. bytes, "bc"u8.ToArray(), "ab"u8.ToArray()], [new(Id('a'), Id('b'), 257), new(Id('b'), Id('c'), 256)]));
        Assert.Contains("one merge for each", Refusal([.. bytes, "bc"u8.ToArray()], []));
        Assert.Contains("both's bytes", Refusal([.. bytes, "bd"u8.ToArray()], [new(Id('b'), Id('c'), 256)]));
        Assert.Contains("no token for the byte", Refusal(bytes[1..], []));
        Assert.Contains("twice", Refusal([.. bytes, bytes[0]], []));

        static string Refusal(byte[][] tokens, TokenMerge[] merges) =>
            Assert.Throws<BadInputException>(() => TokenizerModel.Create("test", PreTokenization.Gpt2, tokens, merges, [])).Message;
    }

    private static TokenizerModel Learned(PreTokenization rules)
    {
        var texts = Enumerable.Range(0, 60).Select(i => RandomText.Of(i, 120)).Concat(Enumerable.Range(0, 20).Select(i => RandomText.Words(i, 60, 3)));
        var options = new TrainerOptions { VocabSize = 1200, PreTokenization = rules, Specials = Specials };
        return TokenizerTrainer.Train([.. RandomText.Documents(texts), .. Golden.Lines()], options).Model;
    }
}
