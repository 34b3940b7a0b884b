using System.Globalization;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Model;
using Xunit.Abstractions;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>Devices with the least memory that suffices stream the parameters, and compute what they would with all of them.</summary>
[Collection(ElasticRuns.Name)]
public sealed class StreamingTests(References references, ITestOutputHelper output)
{
    private readonly Chance chance = new(output);

    [SkippableTheory]
    [InlineData("device.recompute=false", "device.count=1")]
    [InlineData("device.recompute=true", "device.count=2")]
    public async Task Parameters_that_are_streamed_give_the_bits_of_those_that_are_held(params string[] device)
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        const long steps = 60;
        RunDigest expected = await references.DigestAsync(steps);
        using ElasticRun run = references.NewRun([.. device, Least(device)]);
        ProcessUnderTest training = run.Train(steps);
        await run.FinishAsync(training);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
        Assert.Contains("memory: parameters are streamed", training.Output, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task Killing_a_node_that_streams_below_and_above_a_frozen_prefix_does_not_change_the_weights()
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        const long steps = 200, frozenFrom = 125;
        RunDigest expected = await references.FrozenDigestAsync(steps, frozenFrom);
        using ElasticRun run = references.NewRun(Least());
        ProcessUnderTest training = run.Train(steps, nodes: 2);
        await run.ReachesStepAsync(1, training);
        await run.FreezeAtAsync(frozenFrom);
        foreach (long moment in (long[])[chance.Step(5, 60), chance.Step(frozenFrom, 160)])
        {
            await run.ReachesStepAsync(moment, training);
            await run.PlacedAsync();
            await chance.MomentAsync();
            Signal.Send(chance.Pick([.. ((string[])["node-1", "node-2"]).Select(n => run.Folder.Pid(n)).OfType<int>()]), Signal.Kill);
        }
        await run.FinishAsync(training);
        (await run.DigestAsync()).ShouldBe(expected, () => $"seed {chance.Seed}\n{run.Describe()}");
        Assert.Contains("memory: parameters are streamed", training.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_limit_that_no_layer_fits_into_is_refused_before_anything_starts()
    {
        using ElasticRun run = references.NewRun("device.memory=64KiB");
        ProcessUnderTest training = run.Train(1);
        Assert.Equal(2, await training.WaitForExitAsync(ElasticRun.Patience));
        Assert.Contains("device.memory: found 65536 bytes, expected at least 1058944 bytes: 53248 for the largest layer's parameters", training.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(run.Folder.File("run.json")));
    }

    private static string Least(params string[] device)
    {
        IEnumerable<string> sets = [.. device, "device.memory=1TB"];
        Plan plan = Plan.Load(Path.Combine(Executable.Root, "hocon", "plans", "tiny.conf"), [.. sets.Select(set => set.Split('=')).Select(set => KeyValuePair.Create(set[0], set[1]))]);
        return string.Create(CultureInfo.InvariantCulture, $"device.memory={DeviceMemory.Of(plan, ParameterLayout.Create(plan.Model.Config))!.Least}");
    }
}
