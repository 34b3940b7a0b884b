using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Tokenizing;

public sealed class TokenizerCommandTests
{
    private const string Text = "Zahlen 12345, 模型ラーメン, x+=1; // 🙂\r\n\tend";

    [Fact]
    public async Task A_vocabulary_is_learned_used_and_described()
    {
        using var folder = new TestFolder();
        string input = folder.File("text.txt"), output = folder.File("vocabulary"), ids = folder.File("ids.txt");
        await File.WriteAllTextAsync(input, string.Concat(Enumerable.Range(0, 50).Select(i => $"{Text} {i} <|endoftext|>\n")));
        string said = await OkAsync("train", input, "--out", output, "--vocab-size", "300", "--fim", "--threads", "2", "--temp", folder);
        Assert.Contains("40 merges", said, StringComparison.Ordinal);
        Assert.Contains("deepseek-v3", said, StringComparison.Ordinal);
        Assert.Equal(["text.txt", "vocabulary"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        string encoded = (await OkAsync("encode", "--tokenizer", output, "--text", Text)).Trim();
        await File.WriteAllTextAsync(ids, encoded);
        Assert.Equal(Text.Replace("\r\n", "\n", StringComparison.Ordinal), await OkAsync("decode", "--tokenizer", output, ids));
        Assert.DoesNotContain("296", await OkAsync("encode", "--tokenizer", output, "--text", "<|endoftext|>"), StringComparison.Ordinal);
        Assert.Equal("296", (await OkAsync("encode", "--tokenizer", output, "--text", "<|endoftext|>", "--allow-special")).Trim());
        string info = await OkAsync("info", output, "--on", input);
        Assert.Contains("<｜fim▁hole｜>", info, StringComparison.Ordinal);
        Assert.Contains("bytes per token", info, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nowhere.txt: found no such file", "train", "nowhere.txt", "--out", "x", "--vocab-size", "300")]
    [InlineData("vocabulary size", "train", "nowhere.txt", "--out", "x", "--vocab-size", "200")]
    [InlineData("'gpt2'", "train", "nowhere.txt", "--out", "x", "--vocab-size", "300", "--pre-tokenizer", "gpt5")]
    [InlineData("--memory", "train", "nowhere.txt", "--out", "x", "--vocab-size", "300", "--memory", "much")]
    [InlineData("new or empty", "train", "nowhere.txt", "--out", "/", "--vocab-size", "300")]
    [InlineData("tokenizer.json", "encode", "--tokenizer", "nowhere", "--text", "a")]
    [InlineData("no such file", "info", "nowhere")]
    public async Task A_mistake_is_named(string says, params string[] arguments)
    {
        var (code, said) = await SmallRuns.CommandAsync(["tokenizer", .. arguments]);
        Assert.True(code == 2, said);
        Assert.Contains(says, said, StringComparison.Ordinal);
    }

    private static async Task<string> OkAsync(params string[] arguments)
    {
        var (code, said) = await SmallRuns.CommandAsync(["tokenizer", .. arguments]);
        Assert.True(code == 0, said);
        return said;
    }
}
