using System.Text;
using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class TokenizerFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(PreTokenization.Gpt2)]
    [InlineData(PreTokenization.Cl100k)]
    [InlineData(PreTokenization.DeepSeekV3)]
    public void What_is_written_is_read_again_and_all_formats_have_the_same_ids(PreTokenization rules)
    {
        TokenizerModel model = Write("out", rules);
        Assert.Equal(model.Hash, TokenizerFolder.Read(_folder["out"]).Hash);
        Assert.Equal(model.Hash, TokenizerFolder.Read(_folder["out/tokenizer.json"]).Hash);
        Assert.Equal(["merges.txt", "tokenizer.json", "tokenizer.tiktoken", "vocab.json"], Directory.GetFiles(_folder["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(["out"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));

        using var tokenizer = JsonDocument.Parse(File.ReadAllBytes(_folder["out/tokenizer.json"]));
        using var vocab = JsonDocument.Parse(File.ReadAllBytes(_folder["out/vocab.json"]));
        JsonElement inner = tokenizer.RootElement.GetProperty("model");
        var ids = Ids(inner.GetProperty("vocab"));
        var named = Ids(vocab.RootElement);
        foreach (JsonElement added in tokenizer.RootElement.GetProperty("added_tokens").EnumerateArray())
        {
            string text = added.GetProperty("content").GetString()!;
            Assert.Equal(added.GetProperty("id").GetInt32(), named[text]);
            Assert.DoesNotContain(text, ids.Keys);
            ids.Add(text, named[text]);
        }
        Assert.Equal(ids, named);
        Assert.Equal(model.VocabSize, named.Count);
        string[] merges = File.ReadAllLines(_folder["out/merges.txt"]);
        Assert.Equal("#version: 0.2", merges[0]);
        Assert.Equal(inner.GetProperty("merges").EnumerateArray().Select(merge => merge.GetString()), merges[1..]);
        foreach (string line in File.ReadAllLines(_folder["out/tokenizer.tiktoken"]))
        {
            string[] parts = line.Split(' ');
            string name = ByteStandIns.Of(Convert.FromBase64String(parts[0]));
            Assert.True(named.Remove(name, out int id));
            Assert.Equal(id.ToString(), parts[1]);
        }
        Assert.Equal(model.Specials.Select(special => special.Text).Order(StringComparer.Ordinal), named.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Tokenizers_with_special_tokens_first_and_merges_as_pairs_are_read()
    {
        // As DeepSeek-V3's: special tokens are part of the vocabulary and come before the bytes.
        TokenizerModel model = Write("out", PreTokenization.DeepSeekV3);
        string json = File.ReadAllText(_folder["out/tokenizer.json"]);
        using var document = JsonDocument.Parse(json);
        var vocabulary = Ids(document.RootElement.GetProperty("model").GetProperty("vocab")).ToDictionary(pair => pair.Key, pair => pair.Value + 1);
        vocabulary.Add("<｜begin▁of▁sentence｜>", 0);
        var merges = document.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray().Select(merge => merge.GetString()!.Split(' '));
        string other = JsonSerializer.Serialize(new
        {
            added_tokens = new object[] { new { id = 0, content = "<｜begin▁of▁sentence｜>", normalized = true, special = true }, new { id = 5000, content = "<think>" } },
            normalizer = new { type = "Sequence", normalizers = Array.Empty<int>() },
            pre_tokenizer = document.RootElement.GetProperty("pre_tokenizer"),
            post_processor = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab = vocabulary, merges },
        });
        File.WriteAllText(_folder["other.json"], other);
        var tokenizer = SubwordTokenizer.Load(_folder["other.json"]);
        const string Text = "Die Größe 12345 模型<think>";
        Assert.Equal(new SubwordTokenizer(model).Encode(Text).Select(id => id + 1), tokenizer.Encode(Text));
        Assert.Equal(5000, tokenizer.Encode(Text, allowSpecials: true)[^1]);
        Assert.Equal(Text, Encoding.UTF8.GetString(tokenizer.Decode(tokenizer.Encode(Text, allowSpecials: true))));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([4999]));
    }

    [Theory]
    [InlineData("\"type\": \"BPE\"", "\"type\": \"Unigram\"", "model.type")]
    [InlineData("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}", "normalizer")]
    [InlineData("\"post_processor\": null", "\"post_processor\": {\"type\": \"TemplateProcessing\"}", "post_processor")]
    [InlineData("\"behavior\": \"Isolated\"", "\"behavior\": \"Removed\"", "pre_tokenizer")]
    [InlineData("\\\\p{N}{1,3}", "\\\\p{N}{1,2}", "deepseek-v3")]
    [InlineData("\"byte_fallback\": false", "\"byte_fallback\": true", "byte_fallback")]
    [InlineData("\"continuing_subword_prefix\": null", "\"continuing_subword_prefix\": \"##\"", "continuing_subword_prefix")]
    [InlineData("\"lstrip\": false", "\"lstrip\": true", "lstrip")]
    [InlineData("\"!\": 0,", "", "0x21")]
    [InlineData("\"!\": 0,", "\"!\": 1,", "twice")]
    [InlineData("\"!\": 0,", "\"!\": -1,", "\"!\"")]
    [InlineData("\"!\": 0,", "\"!\": 0, \"世\": 9999,", "stand-ins")]
    [InlineData("\"merges\": [", "\"merges\": [\"x y z\",", "merges[0]")]
    [InlineData("\"merges\": [", "\"merges\": [\"! ~\",", "merges[0]")]
    [InlineData("\"version\"", "version", "JSON")]
    public void What_would_give_other_ids_is_refused(string text, string other, string says)
    {
        Write("out", PreTokenization.DeepSeekV3);
        string json = File.ReadAllText(_folder["out/tokenizer.json"]);
        int at = json.IndexOf(text, StringComparison.Ordinal);
        Assert.True(at >= 0, text);
        File.WriteAllText(_folder["bad.json"], json[..at] + other + json[(at + text.Length)..]);
        var error = Assert.Throws<BadInputException>(() => TokenizerFolder.Read(_folder["bad.json"]));
        Assert.Contains(says, error.Message);
        Assert.Contains("bad.json", error.Message);
    }

    [Fact]
    public void Folders_that_cannot_be_written_or_read_are_named_and_left_alone()
    {
        TokenizerModel model = Write("out", PreTokenization.Gpt2);
        Assert.Contains("new or empty", Assert.Throws<BadInputException>(() => TokenizerFolder.Write(model, _folder["out"])).Message);
        File.WriteAllText(_folder["file"], "");
        Assert.Throws<BadInputException>(() => TokenizerFolder.Write(model, _folder["file/below"]));
        Assert.Throws<BadInputException>(() => TokenizerFolder.Write(model, _folder["file"]));
        Directory.CreateDirectory(_folder["empty"]);
        Assert.Contains("no such file", Assert.Throws<BadInputException>(() => TokenizerFolder.Read(_folder["empty"])).Message);
        TokenizerFolder.Write(model, _folder["empty"] + Path.DirectorySeparatorChar);
        Assert.Equal(model.Hash, TokenizerFolder.Read(_folder["empty"]).Hash);
        Assert.Equal(["empty", "file", "out"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    private TokenizerModel Write(string name, PreTokenization rules)
    {
        var options = new TrainerOptions { VocabSize = 600, PreTokenization = rules, Specials = [SpecialTokens.EndOfText, .. SpecialTokens.StarCoderFim, "<|中|>"] };
        TokenizerModel model = TokenizerTrainer.Train(Golden.Lines(), options).Model;
        TokenizerFolder.Write(model, _folder[name]);
        return model;
    }

    private static Dictionary<string, int> Ids(JsonElement vocabulary) => vocabulary.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetInt32());
}
