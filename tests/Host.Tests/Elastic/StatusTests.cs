using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>status and digest answer at any time.</summary>
[Collection(DisturbedRuns.Name)]
public sealed class StatusTests(References references)
{
    [Fact]
    public async Task Status_and_digest_work_before_during_and_after_a_run_and_during_a_failover()
    {
        const long steps = 200;
        RunDigest expected = await references.DigestAsync(steps);
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(steps, nodes: 2);
        await Wait.UntilAsync(() => File.Exists(run.Folder.File("run.json")) && File.Exists(run.Folder.File("plan.conf")), "the run's folder is made", ElasticRun.Patience, run.Describe);

        var seen = new List<RunStatusShape>();
        int? killed = null;
        while (!training.HasExited)
        {
            // Fails unless the exit code is 0 and the shape is the contract's.
            RunStatusShape status = await run.StatusAsync();
            seen.Add(status);
            if (status is not { State: "running", Coordinator: { } coordinator, Step: > 0 and < steps - 50 } || killed is not null) continue;
            Assert.Equal(steps, status.Steps);
            Assert.Equal(["node-1", "node-2"], status.Workers.Select(w => w.Node));
            Assert.All(status.Workers, w => Assert.Equal((run.Folder.Pid(w.Node), 1), (w.Pid, w.Devices)));
            Assert.Contains(status.Workers, w => (w.Node, w.Pid) == coordinator);
            Assert.Equal(status.Shards.Count, status.Shards.Select(s => (s.Id, s.Node)).Distinct().Count());
            Assert.Equal(status.Shards.Count, status.Shards.Select(s => s.Replica).Distinct().Count());
            Assert.All(status.Shards, s => Assert.True(s.Bytes > 0 && s.Replica > 0 && status.Workers.Any(w => w.Node == s.Node), $"{s}"));
            RunDigest soFar = await run.DigestAsync();
            Assert.InRange(soFar.Steps.Count, status.Step, steps);
            Assert.Equal(expected.Steps.Take(soFar.Steps.Count), soFar.Steps);
            Signal.Send(coordinator.Pid, Signal.Kill);
            killed = coordinator.Pid;
        }
        await run.FinishAsync(training);
        Assert.True(killed is not null, $"The run was never seen running: {string.Join('\n', seen)}");
        Assert.Contains(seen, s => s.State == "running" && s.Coordinator is { } c && c.Pid != killed);
        RunStatusShape last = await run.StatusAsync();
        Assert.Equal(("finished", steps), (last.State, last.Step));
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
    }

    [Fact]
    public async Task A_folder_without_a_run_is_bad_input()
    {
        using ElasticRun run = references.NewRun();
        (int code, string output) = await run.CommandAsync("status", "--json");
        Assert.Equal(2, code);
        Assert.Contains("run.json", output, StringComparison.Ordinal);
    }
}
