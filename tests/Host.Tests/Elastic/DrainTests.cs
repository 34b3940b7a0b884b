using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>Nodes come and go on purpose: nothing is computed twice for it, and no bit changes.</summary>
[Collection(DisturbedRuns.Name)]
public sealed class DrainTests(References references)
{
    private const long Steps = 400;

    [Fact]
    public async Task A_drained_node_hands_its_shards_over_leaves_and_is_not_started_again()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps, nodes: 3);
        await run.ReachesStepAsync(20, training);
        RunStatusShape status = await StatusInPauseAsync(run);
        StatusWorker drained = status.Workers.First(w => w.Pid != status.Coordinator!.Value.Pid);
        await run.DrainAsync(drained.Node);
        await training.WaitForLineAsync($"{drained.Node} (process {drained.Pid}) was drained; it is not started again", ElasticRun.Patience);
        await run.FinishAsync(training);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
        Assert.Single(await run.EventsAsync("ReplicasPlaced"));
        Assert.Single(await run.EventsAsync("NodeDraining"));
    }

    [Fact]
    public async Task A_preempted_coordinator_hands_over_what_it_has_and_another_node_coordinates()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps, nodes: 3);
        await run.ReachesStepAsync(20, training);
        int pid = (await StatusInPauseAsync(run)).Coordinator!.Value.Pid;
        Signal.Send(pid, Signal.Terminate);
        await training.WaitForLineAsync($"(process {pid}) was killed by signal 2", ElasticRun.Patience);
        await run.FinishAsync(training);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
        Assert.Single(await run.EventsAsync("ReplicasPlaced"));
        Assert.True((await run.EventsAsync("CoordinatorStarted")).Count > 1, run.Describe());
    }

    [Fact]
    public async Task A_run_scaled_to_zero_goes_on_where_it_was()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps, 2, null, "--no-restart");
        await run.ReachesStepAsync(20, training);
        RunStatusShape status = await StatusInPauseAsync(run);
        foreach (StatusWorker worker in status.Workers) Signal.Send(worker.Pid, Signal.Terminate);
        Assert.Equal(1, await training.WaitForExitAsync(ElasticRun.Patience));
        long last = (await run.EventsAsync("StepCommitted")).Count;
        Assert.InRange(last, 20, Steps - 1);
        await run.TrainToEndAsync(Steps, nodes: 2);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
        // Nothing is replayed: the last step was sealed before the last node left.
        Assert.Equal(last, (await run.EventsAsync("ReplicasPlaced"))[1].Data["from"]!["step"]!.GetValue<long>());
    }

    [Fact]
    public async Task A_node_that_joins_a_running_run_gets_work_and_shards()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps, nodes: 2);
        await run.ReachesStepAsync(10, training);
        await run.PauseAsync();
        using ProcessUnderTest joining = ProcessUnderTest.Start(Executable.ElasticTrain, ["node", "--run-dir", run.Folder, "--name", "newcomer"]);
        await training.WaitForLineAsync("newcomer joined with 1 device(s)", ElasticRun.Patience);
        // Shards move to it while the run stands still, and it computes when the run goes on.
        await run.ReachesAsync(e => e is ReplicaJoined joined && joined.Placement.Node.Name == "newcomer", "a replica joins at the newcomer", training);
        await run.ResumeAsync();
        await run.FinishAsync(training);
        Assert.Equal(0, await joining.WaitForExitAsync(ElasticRun.Patience));
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
        Assert.Single(await run.EventsAsync("ReplicasPlaced"));
    }

    /// <summary>A status takes a process's start: a fast machine would have trained to the end by then.</summary>
    private static async Task<RunStatusShape> StatusInPauseAsync(ElasticRun run)
    {
        await run.PauseAsync();
        RunStatusShape status = await run.PlacedAsync();
        await run.ResumeAsync();
        return status;
    }

    [Fact]
    public async Task A_node_that_nobody_knows_cannot_be_drained()
    {
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(100_000, nodes: 1);
        await run.ReachesStepAsync(3, training);
        (int code, string output) = await run.CommandAsync("drain", "node-9");
        Assert.Equal(2, code);
        Assert.Contains("found node 'node-9', expected one of node-1", output, StringComparison.Ordinal);
    }
}
