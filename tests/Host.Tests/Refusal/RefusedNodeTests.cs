using System.Text.Json;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Refusal;

[Collection(SmallRunsCollection.Name)]
public sealed class RefusedNodeTests(SmallRuns runs)
{
    private sealed record Stranger(string Name, TestFolder Folder, ProcessUnderTest Process, string[] Says);

    [Fact]
    public async Task Strangers_are_refused_with_the_reason_and_the_run_goes_on_unharmed()
    {
        using var run = new TestFolder();
        using ProcessUnderTest train = runs.Train(run, "--nodes", "1");
        await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= 5, "step 5");
        await OkAsync("pause", "--run-dir", run);
        // The step that was granted when the pause came is still committed.
        await SmallRuns.WaitForAsync(run, train, s => s.PausedFrom is { } from && s.Committed.Count == from.Value - 1, "the last step before the pause");
        var paused = SmallRuns.State(run);
        Assert.NotNull(paused.PausedFrom);
        string id = Actors.Runs.RunFolder.Open(run).Run.ToString();
        using var other = new TestFolder();
        await runs.FinishAsync(other, "--steps", "1");
        string otherId = Actors.Runs.RunFolder.Open(other).Run.ToString();
        string plan = paused.Created!.PlanHash.ToString();

        var strangers = new List<Stranger>
        {
            Start(run, "another-run", other, ["run id", otherId, id]),
            Start(run, "another-plan", Known(run, ("seed = 7", "seed = 8")), ["plan hash", plan]),
            Start(run, "another-numerics", Known(run, ("allow-chaos = false", "allow-chaos = true")), ["numerics class", paused.Created.NumericsClass.ToString()],
                (ChaosSettings.NumericsVariable, "another machine's")),
            Start(run, "another-protocol", Known(run, ("allow-chaos = false", "allow-chaos = true")), ["protocol version", "found 99", "expected 2"],
                (ChaosSettings.ProtocolVariable, "99")),
            Start(run, "empty-journal", Known(run), ["found an empty journal", "term 1", id]),
            Start(run, "foreign-journal", WithJournalOf(other, Known(run)), [$"found the journal of run {otherId}", "term 1", id]),
        };
        try
        {
            foreach (var stranger in strangers)
            {
                int code = await stranger.Process.WaitForExitAsync(TimeSpan.FromMinutes(3));
                Assert.True(code == 2, $"{stranger.Name} ended with {code}:\n{stranger.Process.Output}");
                string line = Assert.Single(stranger.Process.Lines, l => l.Contains(stranger.Says[0], StringComparison.Ordinal));
                Assert.Contains("found", line);
                Assert.Contains("expected", line);
                foreach (string text in stranger.Says) Assert.Contains(text, line);
            }
        }
        finally
        {
            foreach (var stranger in strangers)
            {
                stranger.Process.Dispose();
                if (stranger.Folder != other) stranger.Folder.Dispose();
            }
        }
        Assert.False(train.HasExited, train.Output);
        Assert.Equal(paused.Committed.Count, SmallRuns.State(run).Committed.Count);
        await OkAsync("resume", "--run-dir", run);
        int end = await train.WaitForExitAsync(TimeSpan.FromMinutes(3));
        Assert.True(end == 0, $"train ended with {end}:\n{train.Output}\n{run.Describe()}");
        await runs.AssertSameAsync(run);
    }

    [Fact]
    public async Task Nobody_joins_through_a_node_that_is_in_no_cluster_itself()
    {
        using var run = new TestFolder();
        using ProcessUnderTest node = ProcessUnderTest.Start(
            Executable.ElasticTrain, ["node", runs.PlanFile, "--run-dir", run, "--name", "lone", "--seeds", $"127.0.0.1:{Ports.Free()}"]);
        await Wait.UntilAsync(() => node.Output.Contains("Couldn't join seed nodes", StringComparison.Ordinal), "it looks for the cluster", TimeSpan.FromMinutes(1), () => node.Output);
        Assert.Null(Assert.Single(NodeFile.ReadLive(run)).Cluster);
    }

    [Fact]
    public async Task A_node_claims_no_other_version_where_the_plan_does_not_allow_chaos()
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        var (code, output) = await ProcessUnderTest.RunAsync(
            Executable.ElasticTrain, ["train", runs.PlanFile, "--run-dir", run], new Dictionary<string, string?> { [ChaosSettings.ProtocolVariable] = "99" });
        Assert.Equal(2, code);
        Assert.Contains(ChaosSettings.ProtocolVariable, output);
    }

    private static Stranger Start(TestFolder run, string name, TestFolder folder, string[] says, params (string Name, string Value)[] variables)
    {
        NodeFile node = NodeFile.ReadLive(run).Single(n => n.Name == "node-1");
        string system = node.Cluster![..node.Cluster!.IndexOf('@')]["akka.tcp://".Length..];
        using var ports = JsonDocument.Parse(File.ReadAllBytes(run.File("ports.json")));
        var environment = variables.ToDictionary(v => v.Name, v => (string?)v.Value);
        environment["ACTORSYSTEM"] = system;
        string seed = $"127.0.0.1:{ports.RootElement.GetProperty("lighthouse").GetInt32()}";
        return new Stranger(name, folder, ProcessUnderTest.Start(
            Executable.ElasticTrain, ["node", "--run-dir", folder, "--name", name, "--seeds", seed], environment), says);
    }

    /// <summary>A folder that takes itself for one of the run, made before the run's journal began.</summary>
    private static TestFolder Known(TestFolder run, params (string From, string To)[] edits)
    {
        TestFolder folder = SmallRuns.Copy(run.File("data"), "data");
        string plan = File.ReadAllText(run.File("plan.conf"));
        foreach (var (from, to) in edits)
        {
            Assert.Contains(from, plan);
            plan = plan.Replace(from, to, StringComparison.Ordinal);
        }
        File.WriteAllText(folder.File("plan.conf"), plan);
        File.WriteAllText(folder.File("run.json"), File.ReadAllText(run.File("run.json")).Replace("true", "false", StringComparison.Ordinal));
        return folder;
    }

    private static TestFolder WithJournalOf(TestFolder other, TestFolder folder)
    {
        Directory.CreateDirectory(folder.File("journal"));
        foreach (string file in Directory.GetFiles(other.File("journal"))) File.Copy(file, folder.File("journal", Path.GetFileName(file)));
        return folder;
    }

    private static async Task OkAsync(params string[] arguments)
    {
        var (code, output) = await SmallRuns.CommandAsync(arguments);
        Assert.True(code == 0, $"{arguments[0]} ended with {code}:\n{output}");
    }
}
