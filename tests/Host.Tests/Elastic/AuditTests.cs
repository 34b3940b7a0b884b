using ElasticTrain.Actors.Devices;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>Real processes of which one computes, or remembers, other bits than it should.</summary>
[Collection(ElasticRuns.Name)]
public sealed class AuditTests(References references)
{
    private const long Steps = 8;

    [Fact]
    public async Task A_node_that_computes_wrong_gradients_changes_no_bit_where_its_ranks_are_audited_and_is_named()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun audited = await TrainWithBrokenNodeAsync("elastic.audit=1");
        (await audited.DigestAsync()).ShouldBe(expected, audited.Describe);
        IReadOnlyList<PrintedEvent> suspected = await audited.EventsAsync("CorruptionSuspected");
        Assert.NotEmpty(suspected);
        Assert.All(suspected, e => Assert.Equal("node-2", e.Data["device"]!["node"]!.GetValue<string>()));
        Assert.All(suspected, e => Assert.Equal("model.layers.0.self_attn.kv_a_proj_with_mqa.weight", e.Data["tensors"]![0]!["tensor"]!.GetValue<string>()));
        Assert.NotEmpty(await audited.EventsAsync("StepRestarted"));
        Assert.Contains("device-0 of node-2", await audited.SucceedAsync("events"), StringComparison.Ordinal);

        // Nobody may take the node for hung, however busy the machine is: who computes its ranks again finds the difference, and the run halts.
        using ElasticRun blind = await TrainWithBrokenNodeAsync("elastic.audit=0", "elastic.speculate=off", "elastic.suspect-after=60s");
        Assert.NotNull((await blind.DigestAsync()).FirstDifference(expected));
        Assert.Empty(await blind.EventsAsync("CorruptionSuspected"));
    }

    [Fact]
    public async Task A_bit_that_flips_in_a_replicas_moments_is_found_by_its_sibling_and_the_replay_names_the_node()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun run = references.NewRun("elastic.allow-chaos=true", "checkpoint.every=2");
        await run.FinishAsync(run.Train(Steps, nodes: 2, environment: new Dictionary<string, string?> { [ChaosSettings.MomentVariable] = "4:1:node-2" }));
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
        PrintedEvent diverged = Assert.Single(await run.EventsAsync("ReplicaDiverged"));
        Assert.Equal(1, diverged.Data["shard"]!.GetValue<int>());
        PrintedEvent resolved = Assert.Single(await run.EventsAsync("DivergenceResolved"));
        Assert.Equal("node-2", Assert.Single(resolved.Data["wrong"]!.AsArray())!["node"]!["name"]!.GetValue<string>());
    }

    private async Task<ElasticRun> TrainWithBrokenNodeAsync(params string[] settings)
    {
        ElasticRun run = references.NewRun(["elastic.allow-chaos=true", .. settings]);
        await run.FinishAsync(run.Train(Steps, nodes: 3, environment: new Dictionary<string, string?> { [ChaosSettings.FlipVariable] = "*:*:9000:node-2" }));
        return run;
    }
}
