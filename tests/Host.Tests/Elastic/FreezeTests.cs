using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Host.Tests.Control;
using ElasticTrain.Host.Tests.Harness;
using Xunit.Abstractions;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>freeze and thaw are journaled with the step from which they hold, so a kill around that step changes nothing.</summary>
[Collection(ElasticRuns.Name)]
public sealed class FreezeTests(References references, ITestOutputHelper output)
{
    /// <summary>Between two checkpoints, so that a kill right after it replays from before it.</summary>
    private const long FrozenFrom = 125;
    private const long Steps = 200;
    private readonly Chance chance = new(output);

    [Fact]
    public async Task Freezing_at_a_step_gives_the_same_digest_when_the_run_is_killed_before_at_and_after_it()
    {
        RunDigest expected = await references.FrozenDigestAsync(Steps, FrozenFrom);
        Assert.Equal(FrozenFrom, (await references.DigestAsync(Steps)).FirstDifference(expected));

        using ElasticRun run = references.NewRun();
        bool frozen = false;
        foreach (long moment in (long[])[chance.Step(20, FrozenFrom - 15), FrozenFrom - 1, FrozenFrom + 1, chance.Step(FrozenFrom + 15, 180)])
        {
            ProcessUnderTest training = run.Train(Steps);
            await run.ReachesStepAsync(1, training);
            if (!frozen) await run.FreezeAtAsync(FrozenFrom);
            frozen = true;
            await run.ReachesStepAsync(moment, training);
            training.Kill();
            await training.WaitForExitAsync();
        }
        await run.TrainToEndAsync(Steps);
        (await run.DigestAsync()).ShouldBe(expected, () => $"seed {chance.Seed}\n{run.Describe()}");
        Assert.Equal(FrozenFrom, Assert.Single(await run.EventsAsync("LayersFrozen")).Data["effectiveStep"]!.GetValue<long>());
    }

    [Fact]
    public async Task A_node_killed_in_a_frozen_step_does_not_change_the_digest()
    {
        RunDigest expected = await references.FrozenDigestAsync(Steps, FrozenFrom);
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps, nodes: 2);
        await run.ReachesStepAsync(1, training);
        await run.FreezeAtAsync(FrozenFrom);
        await run.ReachesStepAsync(FrozenFrom + 1, training);
        Signal.Send(chance.Pick([.. ((string[])["node-1", "node-2"]).Select(n => run.Folder.Pid(n)).OfType<int>()]), Signal.Kill);
        await run.FinishAsync(training);
        (await run.DigestAsync()).ShouldBe(expected, () => $"seed {chance.Seed}\n{run.Describe()}");
    }

    [Fact]
    public async Task A_thawed_run_trains_everything_again_and_can_be_verified()
    {
        const long steps = 120, frozenFrom = 75, thawedFrom = 95;
        using ElasticRun whole = references.NewRun(), killed = references.NewRun();
        foreach (ElasticRun run in (ElasticRun[])[whole, killed])
        {
            ProcessUnderTest training = run.Train(steps);
            await run.ReachesStepAsync(1, training);
            // All layers: the final norm and the head are still trained.
            await run.FreezeAtAsync(frozenFrom, lastLayer: 2);
            await run.ThawAtAsync(thawedFrom);
            if (run == whole)
            {
                await run.FinishAsync(training);
                continue;
            }
            await run.ReachesStepAsync(thawedFrom + 2, training);
            training.Kill();
            await training.WaitForExitAsync();
            await run.TrainToEndAsync(steps);
        }
        RunDigest digest = await whole.DigestAsync();
        (await killed.DigestAsync()).ShouldBe(digest, killed.Describe);
        Assert.Equal(frozenFrom, (await references.DigestAsync(Steps)).FirstDifference(digest));
        Assert.Contains($"steps 1 to {steps} replayed", await whole.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_freeze_without_a_step_takes_effect_at_a_journaled_one_and_sent_twice_it_is_one()
    {
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps);
        await run.ReachesStepAsync(5, training);
        var request = ControlRequest.New("freeze", new Dictionary<string, string> { ["layers"] = "1", ["moments"] = "drop" });
        ControlReply first = await run.Folder.SendAsync(request), again = await run.Folder.SendAsync(request);
        Assert.True(first.Ok && again.Ok, $"{first.Error} {again.Error}");
        await run.FinishAsync(training);

        PrintedEvent frozen = Assert.Single(await run.EventsAsync("LayersFrozen"));
        long from = frozen.Data["effectiveStep"]!.GetValue<long>();
        Assert.All([first, again], reply => Assert.Equal(from, reply.Result!.Value.GetProperty("effectiveStep").GetInt64()));
        Assert.Equal(from, (await references.DigestAsync(Steps)).FirstDifference(await run.DigestAsync()));
        Assert.Contains($"steps 1 to {Steps} replayed", await run.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exactly_the_named_layers_and_the_embedding_stand_still()
    {
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(60);
        await run.ReachesStepAsync(5, training);
        await run.PauseAsync();
        Assert.Contains("layers 0-1 and the embedding are frozen from step", await run.SucceedAsync("freeze", "--layers", "0-1", "--at", "40"), StringComparison.Ordinal);
        await run.SucceedAsync("resume");
        await run.FinishAsync(training);

        // The two checkpoints that are kept: steps 50 and 60. An unchanged shard is the same blob.
        using RunSession session = RunSession.Open(run.Folder);
        CheckpointManifest[] kept = [.. session.Definition.Checkpoints.Manifests(out _).OrderBy(m => m.Step)];
        Assert.Equal([50L, 60L], kept.Select(m => m.Step.Value));
        Assert.All(session.Definition.Layout.Shards, shard => Assert.True(
            (kept[0].Blobs[shard.Id.Value].Hash == kept[1].Blobs[shard.Id.Value].Hash) == (shard.Layer <= 1), $"{shard}"));
    }

    [Fact]
    public async Task A_pause_stops_the_steps_and_refused_commands_change_nothing()
    {
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps);
        await run.ReachesStepAsync(5, training);
        await run.PauseAsync();
        long paused = Assert.Single(await run.EventsAsync("RunPaused")).Data["effectiveStep"]!.GetValue<long>();
        await run.ReachesStepAsync(paused - 1, training);
        RunStatusShape status = await run.StatusAsync();
        Assert.Equal(("paused", paused - 1), (status.State, status.Step));

        await RefusedAsync(run, "granted already", "freeze", "--layers", "0-1", "--at", "2");
        await RefusedAsync(run, "the model has 3 layers", "freeze", "--layers", "0-3");
        await RefusedAsync(run, "a prefix that starts at layer 0", "freeze", "--layers", "1-2");
        Assert.Empty(await run.EventsAsync("LayersFrozen"));
        Assert.Equal(paused - 1, (await run.DigestAsync()).Steps.Count);

        // A pause is in the journal: it outlives the process.
        training.Kill();
        await training.WaitForExitAsync();
        training = run.Train(Steps);
        await Wait.UntilAsync(() => training.Lines.Any(l => l.Contains("paused", StringComparison.Ordinal)), "the run is paused again", ElasticRun.Patience, run.Describe);
        Assert.Equal(paused - 1, (await run.DigestAsync()).Steps.Count);
        await run.SucceedAsync("resume");
        await run.FinishAsync(training);
        (await run.DigestAsync()).ShouldBe(await references.DigestAsync(Steps), run.Describe);
    }

    private static async Task RefusedAsync(ElasticRun run, string reason, string command, params string[] arguments)
    {
        (int code, string output) = await run.CommandAsync(command, arguments);
        Assert.True(code == 2, $"{command} {string.Join(' ', arguments)} ended with {code}: {output}");
        Assert.Contains(reason, output, StringComparison.Ordinal);
    }
}
