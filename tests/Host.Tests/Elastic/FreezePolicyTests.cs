using ElasticTrain.Host.Tests.Harness;
using Xunit.Abstractions;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>A policy freezes by commands, so a run that it froze is the run in which a person sent the same ones.</summary>
[Collection(ElasticRuns.Name)]
public sealed class FreezePolicyTests(References references, ITestOutputHelper output)
{
    private const long Steps = 200;
    private readonly Chance chance = new(output);

    [Fact]
    public async Task A_schedule_holds_from_exactly_its_steps_on_whatever_process_dies()
    {
        const long from = 125;
        RunDigest expected = await references.FrozenDigestAsync(Steps, from);
        using ElasticRun run = references.NewRun("freeze.policy=schedule", "freeze.schedule=[{step=125,layers=0-1}]");
        ProcessUnderTest training = run.Train(Steps, nodes: 2);
        // Before the line is sent, or just after.
        await run.ReachesStepAsync(chance.Step(40, 80), training);
        Signal.Send(chance.Pick([.. ((string[])["node-1", "node-2"]).Select(n => run.Folder.Pid(n)).OfType<int>()]), Signal.Kill);
        await run.FinishAsync(training);
        (await run.DigestAsync()).ShouldBe(expected, () => $"seed {chance.Seed}\n{run.Describe()}");
        Assert.Equal("freeze policy", Assert.Single(await run.EventsAsync("LayersFrozen")).Data["sender"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("freeze.policy=plateau", "freeze.window=10", "freeze.threshold=0.5", "freeze.patience=1")]
    [InlineData("freeze.policy=similarity", "freeze.every=10", "freeze.window=2", "freeze.threshold=5", "freeze.patience=1", "freeze.moments=drop")]
    public async Task What_a_policy_decides_is_what_the_journal_says_and_replays_without_it(params string[] policy)
    {
        // Slow enough that a policy that looks at checkpoints finds some.
        string[] settings = [.. policy, "batch.train-batch-size=64"];
        using ElasticRun run = references.NewRun(settings), byHand = references.NewRun("batch.train-batch-size=64");
        await run.TrainToEndAsync(Steps);
        IReadOnlyList<PrintedEvent> frozen = await run.EventsAsync("LayersFrozen");
        Assert.True(frozen.Count > 0, $"nothing was frozen\n{run.Describe()}");
        Assert.All(frozen, f => Assert.InRange(f.Data["lastLayer"]!.GetValue<int>(), 0, 1)); // of three: never the last
        Assert.Contains($"steps 1 to {Steps} replayed", await run.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);

        ProcessUnderTest training = byHand.Train(Steps);
        await byHand.ReachesStepAsync(1, training);
        foreach (PrintedEvent f in frozen)
            await byHand.FreezeAtAsync(f.Data["effectiveStep"]!.GetValue<long>(), f.Data["lastLayer"]!.GetValue<int>(), f.Data["dropMoments"]!.GetValue<bool>());
        await byHand.FinishAsync(training);
        (await byHand.DigestAsync()).ShouldBe(await run.DigestAsync(), byHand.Describe);
    }
}
