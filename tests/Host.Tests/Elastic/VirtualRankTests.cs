using ElasticTrain.Actors.Folding;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>Odd numbers of workers, experts without tokens, rows without loss.</summary>
[Collection(ElasticRuns.Name)]
public sealed class VirtualRankTests(References references)
{
    private const string Twelve = "batch.train-batch-size=24";
    private const long Steps = 30;

    [Theory]
    [InlineData(null, 5)]
    [InlineData(null, 7)]
    public async Task Twelve_virtual_ranks_give_the_same_bits_on_any_number_of_workers(int? nodes, int devices)
    {
        RunDigest expected = await references.DigestAsync(Steps, Twelve);
        using ElasticRun run = references.NewRun(Twelve, $"device.count={devices}");
        await run.TrainToEndAsync(Steps, nodes);
        (await run.DigestAsync()).ShouldBe(expected, run.Describe);
    }

    [Fact]
    public async Task Idle_experts_experts_with_one_token_and_masked_rows_give_the_same_bits_everywhere()
    {
        string[] sparse = [$"data.input={references.PromptFile}", "phases.0.steps=400", "checkpoint.every=10", "model.n-routed-experts=64",
            "batch.train-batch-size=4", "batch.micro-batch-size=1", "batch.sequence-length=12"];
        RunDigest expected = await references.DigestOfAsync(Steps, sparse);
        foreach ((int? nodes, string more) in ((int?, string)[])[(null, "device.count=2"), (2, "device.count=1")])
        {
            using var run = new ElasticRun([.. sparse, more]);
            await run.TrainToEndAsync(Steps, nodes);
            (await run.DigestAsync()).ShouldBe(expected, run.Describe);
            if (nodes is null) continue;
            Assert.Contains($"steps 1 to {Steps} replayed", await run.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);

            using RunSession session = RunSession.Open(run.Folder);
            Census census = Census.Of(session.Definition, expected);
            Assert.True(census is { IdleExperts: > 0, ExpertsWithOneToken: > 0, MaskedRows: > 0, MaskedRanks: > 0, MaskedSteps: > 0, RowsWithLoss: > 0 }, $"{census}");
        }
    }

    /// <summary>What happened in a run, counted with the model itself: otherwise nobody knows that the cases above were there.</summary>
    private sealed record Census(int IdleExperts, int ExpertsWithOneToken, int MaskedRows, int MaskedRanks, int MaskedSteps, int RowsWithLoss)
    {
        public static Census Of(RunDefinition run, RunDigest digest)
        {
            TorchRuntime.BindThread();
            int idle = 0, single = 0, masked = 0, maskedRanks = 0, maskedSteps = 0, counted = 0;
            using var fold = new StepFold(run, Digest256.Of([]), null);
            using var gradient = new NativeBuffer(run.Layout.TotalLength);
            foreach (StepDigest committed in digest.Steps)
            {
                var step = new Step(committed.Step);
                long[] total = new long[run.Layout.MoeLayerCount * run.Layout.Config.NRoutedExperts];
                for (int rank = 0; rank < run.Geometry.VirtualRanks; rank++)
                {
                    IReadOnlyList<MicroBatch> samples = run.Samples.ReadRank(step, new RankId(rank));
                    bool[] rows = [.. samples.SelectMany(b => Enumerable.Range(0, b.Rows).Select(r => b.LossMask is { } mask && !mask.AsSpan(r * b.SequenceLength, b.SequenceLength).Contains((byte)1)))];
                    masked += rows.Count(r => r);
                    counted += rows.Count(r => !r);
                    if (rows.All(r => r)) maskedRanks++;
                    long[] counts = fold.Model.ComputeRank(samples, run.Samples.UnmaskedTokens(step), 0, gradient).TokensPerExpert;
                    for (int i = 0; i < total.Length; i++) total[i] += counts[i];
                }
                if (run.Samples.UnmaskedTokens(step) == 0) maskedSteps++;
                idle += total.Count(t => t == 0);
                single += total.Count(t => t == 1);
                Assert.Equal(committed.Loss, fold.Advance(Actors.Runs.RunState.Empty).LossBits.ToString("x8", System.Globalization.CultureInfo.InvariantCulture));
            }
            return new Census(idle, single, masked, maskedRanks, maskedSteps, counted);
        }
    }
}
