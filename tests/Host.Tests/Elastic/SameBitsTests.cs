using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>How many processes and devices there are is not an input of the run.</summary>
[Collection(ElasticRuns.Name)]
public sealed class SameBitsTests(References references)
{
    private const long Steps = 60;

    [Theory]
    [InlineData(null, 2)]
    [InlineData(null, 3)]
    [InlineData(2, 1)]
    [InlineData(3, 1)]
    public async Task Processes_and_devices_do_not_change_a_bit(int? nodes, int devices)
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun run = references.NewRun($"device.count={devices}");
        await run.TrainToEndAsync(Steps, nodes);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
    }

    [Fact]
    public async Task A_prediction_module_and_a_balance_loss_give_the_same_bits_and_are_journaled()
    {
        const long steps = 20;
        string[] more = ["model.num-nextn-predict-layers=1", "model.aux-loss-alpha=0.01"];
        RunDigest expected = await references.DigestAsync(steps, more);
        using ElasticRun run = references.NewRun(more);
        await run.TrainToEndAsync(steps, nodes: 2);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
        Assert.Contains($"steps 1 to {steps} replayed", await run.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);
        IReadOnlyList<PrintedEvent> commits = await run.EventsAsync("StepCommitted");
        Assert.InRange(commits[0].Data["mtpLoss"]!.GetValue<float>(), 4, 7); // ln 260 is 5.6
        Assert.True(commits.All(commit => commit.Data["balanceLoss"]!.GetValue<float>() > 0));
        Assert.Contains("  mtp ", await run.SucceedAsync("status"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Products_of_bf16_numbers_give_other_bits_but_the_same_on_any_number_of_processes()
    {
        using ElasticRun one = references.NewRun("numerics.compute=bf16"), two = references.NewRun("numerics.compute=bf16");
        await one.TrainToEndAsync(Steps);
        await two.TrainToEndAsync(Steps, nodes: 2);
        RunDigest digest = await one.DigestAsync();
        (await two.DigestAsync()).ShouldBe(digest, two.Describe);
        Assert.Equal(1, (await references.DigestAsync(Steps)).FirstDifference(digest));
        Assert.Contains($"steps 1 to {Steps} replayed", await one.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_runs_side_by_side_on_one_machine_do_not_touch_each_other()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun one = references.NewRun(), other = references.NewRun();
        ProcessUnderTest first = one.Train(Steps, nodes: 2);
        ProcessUnderTest second = other.Train(Steps, nodes: 2);
        await one.FinishAsync(first);
        await other.FinishAsync(second);
        RunDigest here = await one.DigestAsync(), there = await other.DigestAsync();
        here.ShouldBe(expected, one.Describe);
        there.ShouldBe(expected, other.Describe);
        Assert.NotEqual(here.Run, there.Run);
    }
}
