using ElasticTrain.Host.Tests.Control;
using ElasticTrain.Host.Tests.Harness;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Storage;

[Collection(SmallRunsCollection.Name)]
public sealed class InterruptedTests(SmallRuns runs)
{
    [Theory]
    [InlineData(Signal.Interrupt, null)]
    [InlineData(Signal.Terminate, null)]
    [InlineData(Signal.Interrupt, "2")]
    [InlineData(Signal.Terminate, "2")]
    public async Task A_signal_saves_the_state_and_the_same_command_goes_on_from_there(int signal, string? nodes)
    {
        string[] several = nodes is null ? [] : ["--nodes", nodes];
        using var run = new TestFolder();
        using (ProcessUnderTest train = runs.Train(run, several))
        {
            await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= 15, "step 15");
            // Held while the test may be kept waiting: a short run must not end before the signal.
            await run.AcceptedAsync("pause");
            await SmallRuns.WaitForAsync(run, train, s => s.PausedFrom is not null, "the pause");
            await run.AcceptedAsync("resume");
            train.Send(signal);
            int code = await train.WaitForExitAsync(TimeSpan.FromMinutes(1));
            Assert.True(code == 130, $"train ended with {code}:\n{train.Output}\n{run.Describe()}");
            Assert.Contains("run the same command again", train.Output);
        }
        var state = SmallRuns.State(run);
        Assert.InRange(state.Committed.Count, 15, SmallRuns.Steps - 1);
        Assert.Equal(state.CommittedVersion, state.Seals[^1].Version);
        // A run that was saved is not replayed: it starts from the very step.
        await runs.FinishAsync(run, several);
        Assert.Equal(state.CommittedVersion, SmallRuns.Events(run).OfType<ElasticTrain.Actors.Runs.ReplicasPlaced>().Last().From);
        string digest = await SmallRuns.DigestAsync(run);
        Assert.Equal(runs.Digest, digest);
    }
}
