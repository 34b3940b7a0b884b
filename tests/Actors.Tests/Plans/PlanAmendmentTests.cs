using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Plans;

public sealed class PlanAmendmentTests
{
    private static readonly Plan Plan = Given.Plan("optimizer.schedule { type = cosine, warmup-steps = 5, min-ratio = 0.1 }");

    private static Plan Apply(Plan plan, params string[] sets) => PlanAmendment.Apply(plan, Settings(sets));

    private static PlanSetting[] Settings(params string[] sets) => [.. Given.Sets(sets).Select(s => new PlanSetting(s.Key, s.Value))];

    [Fact]
    public void Nothing_but_what_is_named_changes()
    {
        var amended = Apply(Plan, "optimizer.clip=0.5", "optimizer.weight-decay=0", "optimizer.schedule.min-ratio=0.25");
        Assert.Equal(Plan with { Optimizer = Plan.Optimizer with { Clip = 0.5, WeightDecay = 0, Schedule = Plan.Optimizer.Schedule with { MinRatio = 0.25 } } }, amended);
    }

    [Fact]
    public void The_peak_of_the_phases_that_have_the_optimizers_rate_follows_it()
    {
        var phases = Given.Plan("", "phases=[{steps=10},{steps=20,learning-rate=1e-4},{steps=30}]");
        Assert.Equal([1e-3, 1e-4, 1e-3], Apply(phases, "optimizer.learning-rate=1e-3").Phases.Select(p => p.LearningRate));
        Assert.Equal([1e-3, 1e-4, 5e-4], Apply(phases, "optimizer.learning-rate=1e-3", "phases.2.learning-rate=5e-4").Phases.Select(p => p.LearningRate));
        Assert.Equal(0.5, LearningRate.At(Apply(Plan, "optimizer.learning-rate=1.5e-3"), new Step(30)) / LearningRate.At(Plan, new Step(30)), 12);
    }

    [Theory]
    [InlineData("model.hidden-size=128")]
    [InlineData("batch.train-batch-size=16")]
    [InlineData("phases.0.steps=100")]
    [InlineData("phases.7.learning-rate=1e-3")]
    [InlineData("optimizer.betas=[0.8,0.9]")]
    [InlineData("optimizer.eps=1e-6")]
    [InlineData("optimizer.schedule={type=linear}")]
    [InlineData("optimizer.learning-rat=1e-3")]
    [InlineData("seed=2")]
    [InlineData("numerics.compute=bf16")]
    [InlineData("checkpoint.every=3")]
    public void What_decides_over_shapes_samples_or_moments_cannot_change(string set)
    {
        var refused = Assert.Throws<BadInputException>(() => Apply(Plan, set, "optimizer.clip=1"));
        Assert.StartsWith($"--set {set.Split('=')[0]}: found a key that cannot change while the run goes on, expected one of optimizer.learning-rate, ", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("optimizer.learning-rate=fast", "\"fast\"")]
    [InlineData("optimizer.learning-rate=0", "\"0\"")]
    [InlineData("optimizer.clip=-1", "\"-1\"")]
    [InlineData("optimizer.schedule.type=square", "\"square\"")]
    [InlineData("optimizer.schedule.warmup-steps=60", "60 steps of warm-up")]
    public void A_value_that_a_plan_could_not_have_is_refused(string set, string found)
    {
        var refused = Assert.Throws<BadInputException>(() => Apply(Plan, set));
        Assert.Contains(refused.Problems, p => p.Where == $"--set {set.Split('=')[0]}" && p.Found == found);
    }

    [Fact]
    public void The_same_amendment_is_written_in_one_way()
    {
        var one = PlanAmendment.Normalize(Plan, Settings("optimizer.learning-rate=1e-4", "optimizer.clip=0.50"));
        var other = PlanAmendment.Normalize(Plan, Settings("optimizer.clip=7", "optimizer.clip=.5", "optimizer.learning-rate=0.0001"));
        Assert.Equal(one, other);
        Assert.Equal(["optimizer.clip=0.5", "optimizer.learning-rate=0.0001"], one.Select(s => s.ToString()));
        Assert.Equal(PlanAmendment.Apply(Plan, one), PlanAmendment.Apply(Plan, PlanAmendment.Normalize(Plan, one)));
    }
}
