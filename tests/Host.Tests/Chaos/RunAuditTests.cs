using System.Diagnostics;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Chaos;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Chaos;

/// <summary>Each rule broken on purpose, and found.</summary>
public sealed class RunAuditTests
{
    private static RunStatus Status(string state, string detail) => new(state, detail, 6, 60, [], "node-1", 1, 1, [], 0, 0, 0, 0, 0, null, []);

    [Fact]
    public void A_process_that_ended_although_nothing_was_done_to_it_is_found()
    {
        string[] lines =
        [
            "run: /somewhere", "node-1 (process 11) was killed by signal 9", "node-1 started again (process 14)", "node-2 (process 12) ended with code 3", "step 4 of 60",
        ];
        Assert.Equal(["a process to which nothing was done has ended: node-2 (process 12) ended with code 3"], RunAudit.SurvivorsLost(lines, new HashSet<int> { 11 }, mayBeRemoved: false));
        Assert.Empty(RunAudit.SurvivorsLost(lines, new HashSet<int> { 11, 12 }, mayBeRemoved: false));
        Assert.Empty(RunAudit.SurvivorsLost(lines, new HashSet<int> { 11 }, mayBeRemoved: true));
        Assert.Single(RunAudit.SurvivorsLost(lines, new HashSet<int> { 12 }, mayBeRemoved: true));
    }

    [Fact]
    public async Task A_process_that_is_left_in_a_runs_folder_is_found()
    {
        using var run = new TestFolder();
        Assert.Empty(RunAudit.Processes(run));
        using var left = Process.Start(new ProcessStartInfo("sh", ["-c", "read line", run.File("x")]) { RedirectStandardInput = true })!;
        Assert.Contains($"process {left.Id} is left", Assert.Single(RunAudit.Processes(run)), StringComparison.Ordinal);
        left.StandardInput.Close();
        await left.WaitForExitAsync();
        Assert.Empty(RunAudit.Processes(run));
    }

    [Fact]
    public void Temporary_files_are_found_in_the_run_and_where_its_processes_put_theirs()
    {
        using var run = new TestFolder();
        using var temporary = new TestFolder();
        Directory.CreateDirectory(run.File("checkpoints", "blobs"));
        File.WriteAllText(run.File("checkpoints", "blobs", "good.safetensors"), "");
        File.WriteAllText(temporary.File("dotnet-diagnostic-1-2-socket"), "");
        Assert.Empty(RunAudit.Leftovers(run, temporary));
        File.WriteAllText(run.File("checkpoints", "blobs", ".bad.tmp"), "");
        File.WriteAllText(temporary.File("etilqs_1"), "");
        Assert.Equal(2, RunAudit.Leftovers(run, temporary).Count);
    }

    [Theory]
    [InlineData("waiting", "waiting for workers: 1 of 2", 3, true)]
    [InlineData("running", "replaying step 5 of 6", 3, true)]
    [InlineData("running", "step 7", 3, false)]
    [InlineData("running", "", 3, false)]
    [InlineData("running", "step 7", 1, true)]
    public void Silence_must_be_explained(string state, string detail, int nodes, bool isExplained) =>
        Assert.Equal(isExplained, BoundedProgress.Problem(TimeSpan.FromSeconds(31), nodes, minWorkers: 2, Status(state, detail), null) is null);

    [Fact]
    public void Silence_of_everybody_is_no_explanation_but_a_nodes_reason_is()
    {
        Assert.Equal("no step was committed for 31 s with 3 nodes alive, and nobody answers", BoundedProgress.Problem(TimeSpan.FromSeconds(31), 3, 1, null, null));
        Assert.Null(BoundedProgress.Problem(TimeSpan.FromSeconds(31), 3, 1, null, "the journal does not answer"));
    }

    [Fact]
    public void Memory_that_grows_is_seen_in_a_process_that_lives()
    {
        var memory = new MemoryWatch();
        var (old, killed) = (new ProcessIdentity(1, 1), new ProcessIdentity(2, 1));
        for (int second = 0; second <= 30; second++)
        {
            // The first seconds are those in which a process becomes what it will be.
            memory.Note(old, TimeSpan.FromSeconds(second), (second < 6 ? 100 : 500 + second) << 20);
            if (second < 5) memory.Note(killed, TimeSpan.FromSeconds(second), (long)second << 30);
        }
        Assert.Equal(24L << 20, memory.Growth);
        memory.Note(old, TimeSpan.FromSeconds(31), 2L << 30);
        Assert.True(memory.Growth > MemoryWatch.Bound);
    }

    [Fact]
    public void What_survivors_cost_stands_in_the_table()
    {
        var wrong = new KindResult(FaultKind.FourOfFive, 2, 5, [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3)], 1) { Replayed = 17, SurvivorsLost = 1 };
        string line = ChaosReport.Lines([wrong]).Last();
        foreach (string part in (string[])["four-of-five", "1.00 s", "3.00 s", "17", "NO (1 runs)"]) Assert.Contains(part, line, StringComparison.Ordinal);
    }
}
