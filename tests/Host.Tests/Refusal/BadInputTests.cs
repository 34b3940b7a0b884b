using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Refusal;

[Collection(SmallRunsCollection.Name)]
public sealed class BadInputTests(SmallRuns runs)
{
    [Theory]
    [InlineData("learning-rate = 3e-3", "learning-rat = 3e-3", "optimizer.learning-rat", "unknown key", "learning-rate")]
    [InlineData("learning-rate = 3e-3", "learning-rate = fast", "optimizer.learning-rate", "found", "fast", "expected")]
    [InlineData("train-batch-size = 32", "train-batch-size = 33", "train-batch-size", "found", "33", "expected")]
    [InlineData("steps = 60", "steps = -1", "phases.0.steps", "found", "-1", "expected")]
    [InlineData("seed = 7", "seed = {", "bad.conf", "found", "expected")]
    public async Task A_mistake_in_the_plan_is_named_with_its_place_before_anything_starts(string good, string bad, params string[] says)
    {
        using var folder = new TestFolder();
        string text = await File.ReadAllTextAsync(runs.PlanFile);
        Assert.Contains(good, text);
        string plan = folder.File("bad.conf"), run = folder.File("run");
        await File.WriteAllTextAsync(plan, text.Replace(good, bad, StringComparison.Ordinal));
        var (code, output) = await SmallRuns.CommandAsync("train", plan, "--run-dir", run);
        Assert.True(code == 2, $"train ended with {code}:\n{output}");
        Assert.Contains(plan, output);
        foreach (string part in says) Assert.Contains(part, output);
        Assert.False(Directory.Exists(run), "a folder was made for a run that cannot be");
    }

    [Fact]
    public async Task A_plan_that_is_not_there_is_named()
    {
        using var folder = new TestFolder();
        var (code, output) = await SmallRuns.CommandAsync("train", folder.File("nowhere.conf"), "--run-dir", folder.File("run"));
        Assert.True(code == 2, $"train ended with {code}:\n{output}");
        Assert.Contains(folder.File("nowhere.conf"), output);
        Assert.Contains("found", output);
        Assert.Contains("expected", output);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("2")]
    public async Task Training_text_that_is_not_there_is_named(string? nodes)
    {
        using var folder = new TestFolder();
        string[] several = nodes is null ? [] : ["--nodes", nodes];
        var (code, output) = await SmallRuns.CommandAsync(
            ["train", runs.PlanFile, "--run-dir", folder.File("run"), "--set", $"data.input={folder.File("nowhere")}", .. several]);
        Assert.True(code == 2, $"train ended with {code}:\n{output}");
        Assert.Contains("data.input", output);
        Assert.Contains(folder.File("nowhere"), output);
        Assert.Contains("expected", output);
        Assert.False(File.Exists(folder.File("run", "run.json")), "a run was made without its data");
    }

    [Fact]
    public async Task A_run_folder_that_cannot_be_is_named()
    {
        using var folder = new TestFolder();
        await File.WriteAllTextAsync(folder.File("text"), "no folder");
        foreach (string run in (string[])[folder.File("text"), folder.File("text", "run")])
        {
            var (code, output) = await SmallRuns.CommandAsync("train", runs.PlanFile, "--run-dir", run);
            Assert.True(code == 2, $"train ended with {code}:\n{output}");
            Assert.Contains($"--run-dir {run}: found", output);
        }
    }

    [Fact]
    public async Task A_journal_that_cannot_be_read_is_said_without_a_stack_trace()
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        string journal = Assert.Single(Directory.GetFiles(run.File("journal"), "journal.*"), file => !file.EndsWith("-wal", StringComparison.Ordinal) && !file.EndsWith("-shm", StringComparison.Ordinal));
        byte[] content = await File.ReadAllBytesAsync(journal);
        content.AsSpan(4096).Fill(0xFF); // the first page, with the tables' names, is good
        await File.WriteAllBytesAsync(journal, content);
        var (code, output) = await SmallRuns.CommandAsync("export", "--run-dir", run, "--out", run.File("hf"));
        Assert.True(code == 1, $"export ended with {code}:\n{output}");
        Assert.Contains("the journal cannot be used: SQLite Error", output);
        Assert.DoesNotContain("internal error", output);
    }

    [Theory]
    [InlineData("--nodes", "0")]
    [InlineData("--nodes", "-3")]
    [InlineData("--nodes", "two")]
    [InlineData("--steps", "0")]
    [InlineData("--set", "seed")]
    [InlineData("--nonsense", "1")]
    public async Task A_bad_option_is_named(string option, string value)
    {
        using var folder = new TestFolder();
        var (code, output) = await SmallRuns.CommandAsync("train", runs.PlanFile, "--run-dir", folder.File("run"), option, value);
        Assert.True(code == 2, $"train ended with {code}:\n{output}");
        Assert.Contains(option, output);
        Assert.False(Directory.Exists(folder.File("run")), "a folder was made");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("2")]
    public async Task A_folder_of_a_run_with_another_plan_is_refused_and_left_alone(string? nodes)
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        string before = Content(run);
        string[] several = nodes is null ? [] : ["--nodes", nodes];
        var (code, output) = await runs.TrainToEndAsync(run, ["--set", "optimizer.learning-rate=1e-3", .. several]);
        Assert.True(code == 2, $"train ended with {code}:\n{output}");
        Assert.Contains(run, output);
        Assert.Contains("learning-rate", output);
        Assert.Contains("found", output);
        Assert.Contains("expected", output);
        Assert.Equal(before, Content(run));
    }

    [Theory]
    [InlineData("digest")]
    [InlineData("status")]
    [InlineData("events")]
    [InlineData("verify")]
    [InlineData("pause")]
    public async Task A_command_on_a_folder_that_holds_no_run_says_so(string command)
    {
        using var folder = new TestFolder();
        var (code, output) = await SmallRuns.CommandAsync(command, "--run-dir", folder);
        Assert.True(code == 2, $"{command} ended with {code}:\n{output}");
        Assert.Contains(folder, output);
        Assert.Contains("expected", output);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    /// <summary>Everything but who held the folder last.</summary>
    private static string Content(TestFolder run) =>
        string.Join('\n', SmallRuns.Fingerprint(run).Split('\n').Where(l => !l.StartsWith("run.holder ", StringComparison.Ordinal)));
}
