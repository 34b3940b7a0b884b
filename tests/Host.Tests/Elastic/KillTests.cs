using ElasticTrain.Host.Tests.Harness;
using Xunit.Abstractions;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>kill -9 of anything at a random moment does not change the weights.</summary>
[Collection(DisturbedRuns.Name)]
public sealed class KillTests(References references, ITestOutputHelper output)
{
    private const long Steps = 200;
    private readonly Chance chance = new(output);

    [Fact]
    public async Task Killing_a_worker_mid_step_does_not_change_the_weights()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        for (int round = 0; round < Chance.Rounds; round++)
        {
            using ElasticRun run = references.NewRun();
            ProcessUnderTest training = run.Train(Steps, nodes: 3);
            await run.ReachesStepAsync(chance.Step(5, 60), training);
            RunStatusShape status = await run.PlacedAsync();
            StatusWorker[] holders = [.. status.Workers.Where(w => w.Pid != status.Coordinator!.Value.Pid && status.Shards.Any(s => s.Node == w.Node))];
            Assert.NotEmpty(holders);
            int placed = (await run.EventsAsync("ReplicasPlaced")).Count, removed = (await run.EventsAsync("ReplicasRemoved")).Count;
            await chance.MomentAsync();
            Signal.Send(chance.Pick(holders).Pid, Signal.Kill);

            await run.FinishAsync(training);
            (await run.DigestAsync()).ShouldBe(expected, Context(run));
            Assert.True((await run.EventsAsync("ReplicasRemoved")).Count > removed, $"The killed worker held shards, and they never left their in-sync sets.\n{run.Describe()}");
            Assert.True((await run.EventsAsync("ReplicasPlaced")).Count == placed, $"All shards started anew although each had a replica left.\n{run.Describe()}");
        }
    }

    [Fact]
    public async Task Killing_the_coordinator_does_not_change_the_weights()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        for (int round = 0; round < Chance.Rounds; round++)
        {
            using ElasticRun run = references.NewRun();
            ProcessUnderTest training = run.Train(Steps, nodes: 2);
            await run.ReachesStepAsync(chance.Step(5, 60), training);
            int coordinator = (await run.PlacedAsync()).Coordinator!.Value.Pid;
            long term = (await run.EventsAsync("CoordinatorStarted"))[^1].Term;
            await chance.MomentAsync();
            Signal.Send(coordinator, Signal.Kill);

            await run.FinishAsync(training);
            (await run.DigestAsync()).ShouldBe(expected, Context(run));
            PrintedEvent successor = (await run.EventsAsync("CoordinatorStarted"))[^1];
            Assert.True(successor.Term > term, run.Describe());
            Assert.NotEqual(coordinator, successor.Data["pid"]!.GetValue<int>());
        }
    }

    [Fact]
    public async Task Killing_every_process_at_once_and_running_the_same_command_again_does_not_change_the_weights()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        for (int round = 0; round < Chance.Rounds; round++)
        {
            using ElasticRun run = references.NewRun();
            ProcessUnderTest training = run.Train(Steps, nodes: 2);
            await run.ReachesStepAsync(chance.Step(5, 150), training);
            await chance.MomentAsync();
            int[] pids = [training.Pid, .. ((string[])["lighthouse", "node-1", "node-2"]).Select(n => run.Folder.Pid(n)).OfType<int>()];
            Assert.Equal(4, pids.Length);
            foreach (int pid in pids) Signal.Send(pid, Signal.Kill);
            await training.WaitForExitAsync();
            Assert.Equal("stopped", (await run.StatusAsync()).State);

            await run.TrainToEndAsync(Steps, nodes: 2);
            (await run.DigestAsync()).ShouldBe(expected, Context(run));
            Assert.True((await run.EventsAsync("CoordinatorStarted"))[^1].Term > 1, run.Describe());
        }
    }

    [Fact]
    public async Task Killing_the_single_process_again_and_again_does_not_change_the_weights()
    {
        RunDigest expected = await references.DigestAsync(Steps);
        for (int round = 0; round < Chance.Rounds; round++)
        {
            using ElasticRun run = references.NewRun();
            long[] moments = [chance.Step(1, 40), chance.Step(41, 100), chance.Step(101, 180)];
            foreach (long moment in moments)
            {
                ProcessUnderTest training = run.Train(Steps);
                await run.ReachesStepAsync(moment, training);
                await chance.MomentAsync();
                training.Kill();
                await training.WaitForExitAsync();
            }
            await run.TrainToEndAsync(Steps);
            (await run.DigestAsync()).ShouldBe(expected, Context(run));
            long[] terms = [.. (await run.EventsAsync("CoordinatorStarted")).Select(e => e.Term)];
            Assert.Equal([1, 2, 3, 4], terms);
        }
    }

    private Func<string> Context(ElasticRun run) => () => $"seed {chance.Seed}\n{run.Describe()}";
}
