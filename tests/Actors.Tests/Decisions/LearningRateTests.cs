using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Tests.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Decisions;

public sealed class LearningRateTests
{
    private static Plan Scheduled(string type, params string[] sets) => Given.Plan(
        "", ["phases.0.steps=100", "optimizer.learning-rate=1", $"optimizer.schedule.type={type}", "optimizer.schedule.warmup-steps=10", "optimizer.schedule.min-ratio=0.1", .. sets]);

    [Theory]
    [InlineData("constant", 1, 0.1)]
    [InlineData("constant", 5, 0.5)]
    [InlineData("constant", 10, 1)]
    [InlineData("constant", 100, 1)]
    [InlineData("linear", 10, 1)]
    [InlineData("linear", 55, 0.55)]
    [InlineData("linear", 100, 0.1)]
    [InlineData("linear", 1000, 0.1)]
    [InlineData("cosine", 9, 0.9)]
    [InlineData("cosine", 10, 1)]
    [InlineData("cosine", 40, 0.775)]
    [InlineData("cosine", 55, 0.55)]
    [InlineData("cosine", 70, 0.325)]
    [InlineData("cosine", 100, 0.1)]
    [InlineData("cosine", 101, 0.1)]
    public void The_rate_warms_up_and_then_follows_its_curve(string type, long step, double expected) =>
        Assert.Equal(expected, LearningRate.At(Scheduled(type), new Step(step)), 12);

    [Fact]
    public void The_schedule_runs_over_all_phases_and_scales_each_ones_own_rate()
    {
        Plan plan = Scheduled("linear", "phases=[{steps=55},{steps=45,learning-rate=3}]");
        Assert.Equal(0.55, LearningRate.At(plan, new Step(55)), 12);
        Assert.Equal(3 * 0.1, LearningRate.At(plan, new Step(100)), 12);
    }

    [Fact]
    public void Without_a_warm_up_the_first_step_is_next_to_the_peak() =>
        Assert.Equal(1 - (0.9 / 100), LearningRate.At(Scheduled("linear", "optimizer.schedule.warmup-steps=0"), new Step(1)), 12);

    [Fact]
    public void The_cosine_is_that_of_the_mathematics_library_to_1e_14()
    {
        for (int i = 0; i <= 100_000; i++)
        {
            double x = i / 100_000.0;
            Assert.True(Math.Abs(LearningRate.CosinePi(x) - Math.Cos(Math.PI * x)) < 1e-14, $"cos(pi {x})");
        }
        Assert.Equal((1.0, -1.0), (LearningRate.CosinePi(0), LearningRate.CosinePi(1)));
    }

    [Fact]
    public void The_bits_of_the_rates_are_the_ones_written_here_on_every_machine()
    {
        Plan plan = Scheduled("cosine", "optimizer.learning-rate=2e-3");
        using var builder = new DigestBuilder();
        for (long step = 1; step <= 100; step++) builder.Add(BitConverter.DoubleToInt64Bits(LearningRate.At(plan, new Step(step))));
        Assert.StartsWith("fbd1283ef49517cf53548421603802b7c50411208", builder.Finish().ToString(), StringComparison.Ordinal);
    }
}
