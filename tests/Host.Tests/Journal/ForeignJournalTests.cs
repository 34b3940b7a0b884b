using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Journal;

[Collection(SmallRunsCollection.Name)]
public sealed class ForeignJournalTests(SmallRuns runs)
{
    [Theory]
    [InlineData(null)]
    [InlineData("1")]
    public async Task A_run_whose_journal_was_deleted_is_refused_and_nothing_is_changed(string? nodes)
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        Directory.Delete(run.File("journal"), recursive: true);
        string output = await RefusedAsync(run, nodes);
        Assert.Contains("found no journal", output);
    }

    [Fact]
    public async Task A_run_whose_journal_was_emptied_is_refused_and_nothing_is_changed()
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        foreach (string file in Directory.GetFiles(run.File("journal"))) File.WriteAllBytes(file, []);
        string output = await RefusedAsync(run, null);
        Assert.Contains("found an empty journal", output);
    }

    [Fact]
    public async Task A_run_with_the_journal_of_another_run_is_refused_and_nothing_is_changed()
    {
        using var other = new TestFolder();
        await runs.FinishAsync(other, "--steps", "1");
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        Directory.Delete(run.File("journal"), recursive: true);
        Directory.CreateDirectory(run.File("journal"));
        foreach (string file in Directory.GetFiles(other.File("journal"))) File.Copy(file, run.File("journal", Path.GetFileName(file)));
        string output = await RefusedAsync(run, null);
        Assert.Contains($"found the journal of run {Actors.Runs.RunFolder.Open(other).Run}", output);
        Assert.Contains(Actors.Runs.RunFolder.Open(run).Run.ToString(), output);
    }

    [Fact]
    public async Task A_journal_that_is_no_database_is_named()
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        foreach (string file in Directory.GetFiles(run.File("journal"))) File.WriteAllText(file, new string('x', 5000));
        string before = Fingerprint(run);
        var (code, output) = await runs.TrainToEndAsync(run);
        Assert.True(code is 1 or 2, $"train ended with {code}:\n{output}");
        Assert.Contains(run.File("journal", "journal.db"), output);
        Assert.DoesNotContain("internal error", output);
        Assert.Equal(before, Fingerprint(run));
    }

    private async Task<string> RefusedAsync(TestFolder run, string? nodes)
    {
        string before = Fingerprint(run);
        var (code, output) = await runs.TrainToEndAsync(run, nodes is null ? [] : ["--nodes", nodes]);
        Assert.True(code == 2, $"train ended with {code}:\n{output}\n{run.Describe()}");
        Assert.Contains(run.File("journal", "journal.db"), output);
        Assert.Contains("expected", output);
        Assert.Equal(before, Fingerprint(run));
        return output;
    }

    /// <summary>Everything but who held the folder last, which every train writes before it looks around.</summary>
    private static string Fingerprint(TestFolder run) =>
        string.Join('\n', SmallRuns.Fingerprint(run).Split('\n').Where(l => !l.StartsWith("run.holder ", StringComparison.Ordinal) && !l.StartsWith("run.lock ", StringComparison.Ordinal)));
}
