using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>--steps N is the run's total, also after a resume.</summary>
[Collection(ElasticRuns.Name)]
public sealed class StepsTests(References references)
{
    [Fact]
    public async Task A_finished_run_says_so_when_run_again_and_goes_on_to_a_larger_total()
    {
        using ElasticRun run = references.NewRun();
        await run.TrainToEndAsync(25);
        RunDigest finished = await run.DigestAsync();
        Assert.Equal(25, finished.Steps.Count);
        RunStatusShape status = await run.StatusAsync();
        Assert.Equal(("finished", 25L), (status.State, status.Step));

        ProcessUnderTest again = run.Train(25);
        await run.FinishAsync(again);
        Assert.Contains("finished at step 25 already", again.Output, StringComparison.Ordinal);
        (await run.DigestAsync()).ShouldBe(finished);

        await run.TrainToEndAsync(60);
        (await run.DigestAsync()).ShouldBe(await references.DigestAsync(60), run.Describe);
        Assert.Equal([25L, 60L], (await run.EventsAsync("RunFinished")).Select(e => e.Data["version"]!["step"]!.GetValue<long>()));
    }
}
