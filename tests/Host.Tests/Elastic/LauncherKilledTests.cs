using System.Diagnostics;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>The launcher holds nothing that a run needs.</summary>
[Collection(DisturbedRuns.Name)]
public sealed class LauncherKilledTests(References references)
{
    [Fact]
    public async Task Killing_the_launcher_ends_its_processes_and_the_same_command_waits_for_them_and_resumes()
    {
        const long steps = 200;
        RunDigest expected = await references.DigestAsync(steps);
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(steps, nodes: 2);
        await run.ReachesStepAsync(30, training);
        int lighthouse = run.Folder.Pid("lighthouse")!.Value, first = run.Folder.Pid("node-1")!.Value, second = run.Folder.Pid("node-2")!.Value;

        // A stopped node cannot end: the next launcher meets it for sure.
        Signal.Send(second, Signal.Stop);
        training.Kill();
        var clock = Stopwatch.StartNew();
        await Wait.UntilAsync(() => !Processes.IsAlive(lighthouse) && !Processes.IsAlive(first), "the lighthouse and node-1 have ended", state: run.Describe);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"They took {clock.Elapsed}.");

        ProcessUnderTest again = run.Train(steps, nodes: 2);
        await again.WaitForLineAsync($"waiting for processes of an earlier start to end: node-2 (process {second})", ElasticRun.Patience);
        Assert.Null(run.Folder.Pid("lighthouse"));
        Signal.Send(second, Signal.Continue);
        await run.FinishAsync(again);
        Assert.False(Processes.IsAlive(second));
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
    }
}
