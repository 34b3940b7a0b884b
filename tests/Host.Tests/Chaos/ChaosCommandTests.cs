using ElasticTrain.Actors.Devices;
using ElasticTrain.Host.Tests.Elastic;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Chaos;

/// <summary>A short schedule through the real executable; at length it is run by hand.</summary>
[Collection(DisturbedRuns.Name)]
public sealed class ChaosCommandTests
{
    private static readonly string Plan = Path.Combine(Executable.Root, "hocon", "plans", "tiny.conf");

    [Fact]
    public async Task A_short_schedule_changes_no_bit_and_breaks_no_rule()
    {
        using var folder = new RunFolder();
        // A kill at a moment of the journal, a cut, and a spoiled checkpoint.
        string[] kinds = ["phase", "one-way", "bit-flip"];
        var (code, output) = await ProcessUnderTest.RunAsync(
            Executable.ElasticTrain, ["chaos", Plan, "--run-dir", folder, "--nodes", "2", "--kills", "1", "--steps", "120", "--seed", "11", "--kind", .. kinds], deadline: TimeSpan.FromMinutes(8));
        Assert.True(code == 0, output);
        Assert.DoesNotContain("WRONG", output, StringComparison.Ordinal);
        foreach (string kind in kinds) Assert.Matches($@"(?m)^{kind} +1 +1 .* yes$", output);
    }

    [Fact]
    public async Task A_run_that_cannot_be_replayed_to_the_same_bits_is_found()
    {
        using var folder = new RunFolder();
        var flip = new Dictionary<string, string?> { [ChaosSettings.FlipVariable] = "11:1:9000" };
        var (code, output) = await ProcessUnderTest.RunAsync(
            Executable.ElasticTrain, ["chaos", Plan, "--run-dir", folder, "--kills", "1", "--steps", "20", "--kind", "worker", "--set", "elastic.allow-chaos=true"], flip, TimeSpan.FromMinutes(4));
        Assert.Equal(1, code);
        Assert.Contains("The reference did not end well: verify ended with code 1:", output, StringComparison.Ordinal);
        Assert.Contains("step 11 differs", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_are_cut_only_where_the_plan_allows_it()
    {
        using var folder = new RunFolder();
        var links = new Dictionary<string, string?> { [ChaosSettings.LinksVariable] = "127.0.0.1:1" };
        var (code, output) = await ProcessUnderTest.RunAsync(Executable.ElasticTrain, ["train", Plan, "--run-dir", folder, "--steps", "2"], links, TimeSpan.FromMinutes(2));
        Assert.Equal(2, code);
        Assert.Contains("elastic.allow-chaos", output, StringComparison.Ordinal);
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
