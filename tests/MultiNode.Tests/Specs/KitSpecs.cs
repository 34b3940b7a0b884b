using System.Diagnostics;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.MultiNode.Tests.Kit;

namespace ElasticTrain.MultiNode.Tests.Specs;

/// <summary>The kit itself, on specs that pass and on specs that fail on purpose.</summary>
public sealed class KitSpecs
{
    [Fact]
    public Task A_barrier_opens_when_the_last_has_come() => PlayInFolderAsync<BarrierSpec>();

    [Fact]
    public Task Cut_links_drop_and_healed_ones_pass_in_the_direction_asked_for() => SpecPlayer.PlayAsync<ThrottleSpec>();

    [Fact]
    public Task A_killed_node_is_gone_and_barriers_do_not_wait_for_it_until_it_is_started_again() => SpecPlayer.PlayAsync<KillAndStartSpec>();

    [Fact]
    public Task A_stopped_node_is_silent_until_it_is_continued() => SpecPlayer.PlayAsync<StopSpec>();

    [SkippableFact]
    public async Task A_link_that_is_down_carries_nothing_and_no_namespace_is_left_behind()
    {
        string? whyNot = NetworkNamespaces.WhyNot();
        Skip.If(whyNot is not null, whyNot);
        await SpecPlayer.PlayAsync<LinkUpAndDownSpec>();
        Assert.Empty(NetworkNamespaces.Own());
        MultiNodeFailure failure = await Assert.ThrowsAsync<MultiNodeFailure>(() => SpecPlayer.PlayAsync<FailingLinkSpec>());
        Assert.Contains("on purpose", failure.Reason, StringComparison.Ordinal);
        Assert.Empty(NetworkNamespaces.Own());
    }

    [Fact]
    public async Task A_failing_assertion_on_one_node_fails_the_spec_with_that_nodes_message_stack_and_output()
    {
        MultiNodeFailure failure = await FailsAsync<FailingSpec>();
        Assert.StartsWith("second failed: ", failure.Reason, StringComparison.Ordinal);
        Assert.Contains("Expected: 4", failure.Reason, StringComparison.Ordinal);
        Assert.Contains("at ElasticTrain.MultiNode.Tests.Specs.FailingSpec", failure.Reason, StringComparison.Ordinal);
        Assert.Contains("second has counted its fingers", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_death_that_nobody_asked_for_fails_the_spec()
    {
        MultiNodeFailure failure = await FailsAsync<DyingSpec>();
        Assert.StartsWith("second died without having been asked to: signal 9", failure.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_barrier_that_times_out_says_who_did_not_come()
    {
        MultiNodeFailure failure = await FailsAsync<AbsentSpec>();
        Assert.Equal("barrier 'together' timed out after 1 s: second (before the first barrier) did not come (first did)", failure.Reason);
    }

    [Fact]
    public async Task A_barrier_that_somebody_will_never_reach_fails_at_once()
    {
        MultiNodeFailure failure = await FailsAsync<DepartedSpec>();
        Assert.Equal("barrier 'together': second has ended its code and will never come (first did)", failure.Reason);
    }

    [Fact]
    public async Task A_spec_that_takes_too_long_says_where_its_nodes_stand()
    {
        MultiNodeFailure failure = await FailsAsync<EndlessSpec>();
        Assert.Equal("after 2 s the spec has not ended: second is at or after barrier 'the last one'", failure.Reason);
    }

    [Fact]
    public async Task The_nodes_end_when_their_conductor_dies_also_one_that_is_stopped()
    {
        string folder = Directory.CreateTempSubdirectory("elastictrain-spec-").FullName;
        try
        {
            using ProcessUnderTest conductor = ProcessUnderTest.Start(SpecPlayer.Program, ["play", typeof(OrphanSpec).FullName!, $"folder={folder}"]);
            string ready = Path.Combine(folder, "pids");
            await Wait.UntilAsync(() => File.Exists(ready) || conductor.HasExited, "the spec runs", state: () => conductor.Output);
            Assert.False(conductor.HasExited, conductor.Output);
            int[] pids = [.. (await File.ReadAllLinesAsync(ready)).Select(int.Parse)];
            Assert.Equal(['S', 'T'], pids.Select(pid => Processes.State(pid)!.Value).Order());
            conductor.Kill();
            await Wait.UntilAsync(() => !pids.Any(Processes.IsAlive), "the nodes have ended", TimeSpan.FromSeconds(5));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Plays a spec that must fail, and looks whether its processes have ended.</summary>
    private static async Task<MultiNodeFailure> FailsAsync<TSpec>()
        where TSpec : MultiNodeSpec, IMultiNodeSpec
    {
        var failure = await Assert.ThrowsAsync<MultiNodeFailure>(() => SpecPlayer.PlayAsync<TSpec>());
        Assert.Equal(2, failure.Pids.Count);
        Assert.DoesNotContain(failure.Pids, Processes.IsAlive);
        return failure;
    }

    private static async Task PlayInFolderAsync<TSpec>()
        where TSpec : MultiNodeSpec, IMultiNodeSpec
    {
        string folder = Directory.CreateTempSubdirectory("elastictrain-spec-").FullName;
        try
        {
            IReadOnlyList<int> pids = await SpecPlayer.PlayAsync<TSpec>(("folder", folder));
            Assert.DoesNotContain(pids, Processes.IsAlive);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
