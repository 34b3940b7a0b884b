using ElasticTrain.Host.Tests.Elastic;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Chaos;

/// <summary>A short schedule through the real executable; at length it is run by hand.</summary>
[Collection(ElasticRuns.Name)]
public sealed class ChaosCommandTests
{
    private static readonly string Plan = Path.Combine(Executable.Root, "hocon", "plans", "tiny.conf");

    [Fact]
    public async Task A_short_schedule_changes_no_bit_and_breaks_no_rule()
    {
        using var folder = new RunFolder();
        // A kill at a moment of the journal, a node that is both coordinator's and worker's death, a cut, and a spoiled checkpoint.
        string[] kinds = ["phase", "coordinator-and-worker", "one-way", "bit-flip"];
        var (code, output) = await ProcessUnderTest.RunAsync(
            Executable.ElasticTrain, ["chaos", Plan, "--run-dir", folder, "--kills", "1", "--steps", "250", "--seed", "11", "--kind", .. kinds], deadline: TimeSpan.FromMinutes(4));
        Assert.True(code == 0, output);
        Assert.DoesNotContain("WRONG", output, StringComparison.Ordinal);
        foreach (string kind in kinds) Assert.Matches($@"(?m)^{kind} +1 +1 .* yes$", output);
    }

    [Fact]
    public async Task The_schedule_of_a_seed_is_printed_and_nothing_is_done()
    {
        using var folder = new RunFolder();
        string[] arguments = ["chaos", Plan, "--run-dir", folder.File("none"), "--kind", "all", "--kills", "3", "--seed", "5", "--dry-run"];
        var (code, first) = await ProcessUnderTest.RunAsync(Executable.ElasticTrain, arguments);
        var (_, second) = await ProcessUnderTest.RunAsync(Executable.ElasticTrain, arguments);
        Assert.Equal(0, code);
        Assert.Equal(first, second);
        Assert.Contains("storm-1: ", first, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.File("none")));
    }

    [Fact]
    public async Task A_kind_that_nobody_knows_is_refused()
    {
        using var folder = new RunFolder();
        var (code, output) = await ProcessUnderTest.RunAsync(Executable.ElasticTrain, ["chaos", Plan, "--run-dir", folder.File("none"), "--kind", "earthquake"]);
        Assert.Equal(2, code);
        Assert.Contains("found 'earthquake', expected worker, coordinator", output, StringComparison.Ordinal);
    }
}
