using ElasticTrain.Actors.Devices;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>The negative control: one flipped bit in one rank's gradient is seen by everything that compares.</summary>
[Collection(DisturbedRuns.Name)]
public sealed class FlippedBitTests(References references)
{
    private const long Steps = 60, FlippedStep = 11;
    private static readonly Dictionary<string, string?> Flip = new() { [ChaosSettings.FlipVariable] = "11:1:9000" };

    [Fact]
    public async Task One_flipped_gradient_bit_changes_the_digest_from_its_step_on_and_verify_names_the_step()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun run = references.NewRun("elastic.allow-chaos=true");
        await run.FinishAsync(run.Train(Steps, environment: Flip));

        RunDigest flipped = await run.DigestAsync();
        Assert.Equal(FlippedStep, flipped.FirstDifference(expected));
        Assert.All(expected.Steps, e => Assert.Equal(e.Step < FlippedStep, flipped.Steps[(int)e.Step - 1].Digest == e.Digest));
        Assert.NotEqual(expected.State, flipped.State);
        Assert.Contains("first step that differs is 11:", Assert.ThrowsAny<Exception>(() => flipped.ShouldBe(expected)).Message, StringComparison.Ordinal);

        (int code, string output) = await run.CommandAsync("verify", "--from", "0");
        Assert.Equal(1, code);
        Assert.Contains("step 11 differs", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(2)]
    public async Task A_flipped_bit_in_a_replay_halts_the_run_and_names_the_step(int? nodes)
    {
        const long total = 200;
        RunDigest expected = await references.DigestAsync(total);
        // Without a checkpoint on the way everything is replayed from the initial state.
        using ElasticRun run = references.NewRun("elastic.allow-chaos=true", "checkpoint.every=1000");
        ProcessUnderTest training = run.Train(total);
        await run.ReachesStepAsync(20, training);
        training.Kill();
        await training.WaitForExitAsync();

        ProcessUnderTest replaying = run.Train(total, nodes, Flip);
        Assert.Equal(1, await replaying.WaitForExitAsync(ElasticRun.Patience));
        Assert.Contains("halted at step 11", replaying.Output, StringComparison.Ordinal);
        PrintedEvent halted = Assert.Single(await run.EventsAsync("RunHalted"));
        Assert.Equal(FlippedStep, halted.Step);
        Assert.Equal("stopped", (await run.StatusAsync()).State);

        // The journal is right and the flip is gone: the same command goes on.
        await run.TrainToEndAsync(total);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
    }

    [Fact]
    public async Task A_fault_is_injected_only_where_the_plan_allows_it()
    {
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps, environment: Flip);
        Assert.Equal(2, await training.WaitForExitAsync(ElasticRun.Patience));
        Assert.Contains("elastic.allow-chaos", training.Output, StringComparison.Ordinal);
    }
}
