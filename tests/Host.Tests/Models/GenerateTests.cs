using System.Text.Json;
using ElasticTrain.Host.Commands;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Models;

public sealed class StreamedTextTests
{
    [Theory]
    [InlineData("hello END more", "hello ", true)]
    [InlineData("ENEND", "EN", true)]
    [InlineData("an EN", "an EN", false)]
    [InlineData("ab", "ab", false)]
    public void Text_ends_before_a_stop_string_however_it_is_cut(string text, string expected, bool stops)
    {
        for (int size = 1; size <= text.Length; size++)
        {
            string written = "";
            var streamed = new StreamedText(["END", "xyz"], piece => written += piece);
            bool stopped = text.Chunk(size).Any(piece => streamed.Add(new string(piece)));
            if (!stopped) streamed.End();
            Assert.Equal((expected, stops), (written, stopped));
        }
    }
}

[Collection(SmallRunsCollection.Name)]
public sealed class GenerateTests(SmallRuns runs)
{
    [Theory]
    [InlineData("v3-tiny")]
    [InlineData("v3-yarn")]
    [InlineData("v2lite-tiny")]
    [InlineData("mtp-tiny")]
    public async Task Greedy_continuation_is_the_published_one(string name)
    {
        string folder = Path.Combine(Executable.Root, "tests", "Model.Tests", "Parity", name);
        using JsonDocument greedy = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "greedy.json")));
        string Ids(string field) => string.Join(',', greedy.RootElement.GetProperty(field).Deserialize<int[]>()!);
        var (code, said) = await SmallRuns.CommandAsync("generate", "--model", folder, "--prompt-ids", Ids("prompt"), "--max-tokens", "16", "--ignore-eos");
        Assert.True(code == 0, said);
        Assert.Contains(Ids("generated"), said);
        Assert.Contains("tokens/s", said);
    }

    [Fact]
    public async Task A_run_and_its_export_write_the_same_text()
    {
        using var folder = new TestFolder();
        string output = folder.File("hf");
        Assert.Equal(0, (await SmallRuns.CommandAsync("export", "--run-dir", runs.Undisturbed, "--out", output)).Code);
        string[] sampling = ["--prompt", "The ", "--max-tokens", "60", "--temperature", "0.8", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.01", "--repetition-penalty", "1.05", "--seed", "3"];
        var (code, fromRun) = await SmallRuns.CommandAsync(["generate", "--run-dir", runs.Undisturbed, .. sampling]);
        Assert.True(code == 0, fromRun);
        var (again, fromExport) = await SmallRuns.CommandAsync(["generate", "--model", output, .. sampling]);
        Assert.True(again == 0, fromExport);
        Assert.Equal(Text(fromRun), Text(fromExport));
        Assert.True(Text(fromRun).Length > 20);

    }

    [Fact]
    public async Task Neither_the_number_of_threads_nor_where_bf16_is_widened_changes_the_text()
    {
        using var folder = new TestFolder();
        string half = folder.File("bf16");
        Assert.Equal(0, (await SmallRuns.CommandAsync("export", "--run-dir", runs.Undisturbed, "--out", half, "--dtype", "bf16")).Code);
        string[] sampling = ["--prompt", "The ", "--max-tokens", "60", "--temperature", "0.8", "--seed", "3"];
        var texts = new List<string>();
        foreach (string[] how in (string[][])[["--threads", "1"], ["--threads", "3"], ["--threads", "2", "--dtype", "fp32"], ["--threads", "2", "--dtype", "bf16"]])
        {
            var (code, said) = await SmallRuns.CommandAsync(["generate", "--model", half, .. sampling, .. how]);
            Assert.True(code == 0, said);
            Assert.Contains(how.Contains("fp32") ? "fp32" : "bf16", said);
            texts.Add(Text(said));
        }
        Assert.Single(texts.Distinct());
        var (rounded, run) = await SmallRuns.CommandAsync(["generate", "--run-dir", runs.Undisturbed, .. sampling, "--dtype", "bf16"]);
        Assert.True(rounded == 0, run);
        Assert.Contains("bf16", run);
        Assert.True(Text(run).Length > 20);
    }

    [Theory]
    [InlineData("one of the two", "--prompt", "a")]
    [InlineData("--top-p", "--model", "x", "--prompt", "a", "--top-p", "2")]
    [InlineData("--stop", "--model", "x", "--prompt", "a", "--stop", "")]
    [InlineData("no such folder", "--model", "nowhere", "--prompt", "a")]
    [InlineData("--run-dir: found empty text", "--run-dir", "", "--prompt", "a")]
    [InlineData("'bf16'", "--model", "x", "--prompt", "a", "--dtype", "fp16")]
    [InlineData("--threads", "--model", "x", "--prompt", "a", "--threads", "0")]
    public async Task A_mistake_is_named(string says, params string[] arguments)
    {
        var (code, said) = await SmallRuns.CommandAsync(["generate", .. arguments]);
        Assert.True(code == 2, said);
        Assert.Contains(says, said);
    }

    private static string Text(string said) => string.Join('\n', said.Split('\n').Where(line => !line.Contains("tokens read in", StringComparison.Ordinal)));
}
