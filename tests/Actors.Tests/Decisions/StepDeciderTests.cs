using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Tests.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Decisions;

public sealed class StepDeciderTests
{
    private static readonly Plan Tiny = Given.Plan("", "optimizer.clip=1", "optimizer.betas=[0.9,0.95]");
    private static readonly Lineage Before = Lineages.Initial(Digest256.Of("plan"), Digest256.Of("state"), Digest256.Of("class"));

    private static ShardSealReport Report(int shard, double sumOfSquares, bool finite = true, int digest = 7) =>
        new(new ShardId(shard), sumOfSquares, finite, (UInt128)(digest + shard));

    private static StepDecision Decide(
        IReadOnlyList<ShardSealReport> shards, double[]? losses = null, long denominator = 256, long optimizerStep = 1, Plan? plan = null, Lineage? input = null, params string[] commands) =>
        StepDecider.Decide(plan ?? Tiny, input ?? Before, commands, shards, [.. (losses ?? [1, 2, 3, 4]).Select(loss => new RankOutcome(loss, 64, [5, 6]))], denominator, optimizerStep);

    [Fact]
    public void A_gradient_longer_than_the_clip_is_scaled_down_to_it()
    {
        StepDecision decision = Decide([Report(0, 9), Report(3, 16)]);
        Assert.Equal((5f, 0.2f, false), (decision.GradientNorm, decision.ClipScale, decision.Skipped));
        Assert.Equal(1f, Decide([Report(0, 0.25)]).ClipScale);
        Assert.Equal(1f, Decide([Report(0, 9)], plan: Given.Plan("", "optimizer.clip=0")).ClipScale);
        Assert.Equal((0f, 1f), (Decide([]).GradientNorm, Decide([]).ClipScale));
    }

    [Theory]
    [InlineData(double.NaN, false)]
    [InlineData(double.NaN, true)]
    [InlineData(double.PositiveInfinity, true)]
    [InlineData(1e80, true)]
    [InlineData(1, false)]
    public void A_gradient_that_is_not_finite_skips_the_step_but_not_its_history(double sumOfSquares, bool finite)
    {
        StepDecision decision = Decide([Report(0, 1), Report(1, sumOfSquares, finite)]);
        Assert.True(decision.Skipped);
        Assert.Equal(0f, decision.ClipScale);
        Assert.False(float.IsFinite(decision.GradientNorm));
        Assert.Equal(1, decision.Step.Value);
        Assert.NotEqual(Before.Digest, decision.Lineage);
        Assert.Equal(decision, Decide([Report(0, 1), Report(1, sumOfSquares, finite)]));
    }

    [Fact]
    public void The_loss_is_the_sum_along_the_reduction_tree_over_the_counted_tokens()
    {
        Assert.Equal(10f / 256, Decide([], [1, 2, 3, 4]).Loss);
        // (1e17 + 1) + (-1e17 + 1): the tree loses both ones; adding one after the other would keep the last.
        Assert.Equal(0f, Decide([], [1e17, 1, -1e17, 1], 1).Loss);
        Assert.Equal(0u, Decide([], [0, 0, 0, 0], 0).LossBits);
        Assert.Equal(0x7FC00000u, Decide([], [1, double.NaN, 3, 4]).LossBits);
        Assert.Equal(0x7FC00000u, Decide([], [1, -double.NaN, double.NegativeInfinity, double.PositiveInfinity]).LossBits);
    }

    [Fact]
    public void Losses_beside_the_main_one_are_sums_along_the_tree_as_well_and_change_nothing_else()
    {
        static StepDecision Decide(Func<int, RankOutcome> outcome) => StepDecider.Decide(Tiny, Before, [], [], [.. Enumerable.Range(0, 4).Select(outcome)], 256, 1);
        static RankOutcome Plain(int rank) => new(rank, 64, [5, 6]);
        double[] sums = [1e17, 1, -1e17, 6];
        StepDecision with = Decide(rank => Plain(rank) with { MtpLossSum = rank, MtpLossTokens = 3, BalanceLoss = sums[rank] }), without = Decide(Plain);
        Assert.Equal((0.5f, 0f), (with.MtpLoss, with.BalanceLoss)); // 6 of 12; the tree loses 1 and 6
        Assert.Equal((0f, 0f), (without.MtpLoss, without.BalanceLoss));
        Assert.Equal(without, with with { MtpLoss = 0, BalanceLoss = 0 });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(12)]
    public void The_tree_is_the_one_whose_nodes_are_aligned_blocks_for_any_number_of_ranks(int ranks)
    {
        var random = new Random(ranks);
        double[] values = [.. Enumerable.Range(0, ranks).Select(_ => random.NextDouble() * Math.Pow(10, random.Next(-8, 8)))];
        Assert.Equal(Node(0, 16), StepDecider.TreeSum(values));

        double Node(int lo, int size)
        {
            if (size == 1) return values[lo];
            int middle = lo + (size / 2);
            return middle < ranks ? Node(lo, size / 2) + Node(middle, size / 2) : Node(lo, size / 2);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(37)]
    [InlineData(100_000)]
    public void Bias_corrections_count_the_steps_that_were_applied(long t)
    {
        StepDecision decision = Decide([], optimizerStep: t);
        Assert.Equal(1 - Math.Pow(0.9f, t), decision.BiasCorrection1, 6);
        Assert.Equal(1 - Math.Pow(0.95f, t), decision.BiasCorrection2, 6);
    }

    [Fact]
    public void The_learning_rate_is_that_of_the_step_and_not_of_the_steps_applied() =>
        Assert.Equal((float)LearningRate.At(Tiny, new Step(8)), Decide([], optimizerStep: 3, input: Before with { Step = new Step(7) }).LearningRate);

    [Fact]
    public void Each_input_of_a_step_is_in_its_digest_and_nothing_else_is()
    {
        Digest256 digest = Decide([Report(0, 1), Report(1, 2)]).Lineage;
        Assert.Equal(digest, Decide([Report(0, 3), Report(1, 4)], [9, 9, 9, 9], 11, 5).Lineage);
        Digest256[] others =
        [
            Decide([Report(0, 1), Report(1, 2, digest: 8)]).Lineage,
            Decide([Report(0, 1)]).Lineage,
            Decide([Report(0, 1), Report(2, 2, digest: 6)]).Lineage,
            Decide([Report(0, 1), Report(1, 2)], commands: ["freeze 0-1"]).Lineage,
            Decide([Report(0, 1), Report(1, 2)], commands: ["freeze 0", "-1"]).Lineage,
            Decide([Report(0, 1), Report(1, 2)], input: Before with { Step = new Step(1) }).Lineage,
            Decide([Report(0, 1), Report(1, 2)], input: Before with { Digest = Digest256.Of("other") }).Lineage,
        ];
        Assert.Equal(others.Length + 1, others.Append(digest).Distinct().Count());
    }

    [Fact]
    public void The_first_digest_covers_plan_state_and_numerics()
    {
        Digest256 a = Digest256.Of("a"), b = Digest256.Of("b"), c = Digest256.Of("c");
        Assert.Equal(4, new[] { Lineages.Initial(a, b, c), Lineages.Initial(b, a, c), Lineages.Initial(a, c, b), Lineages.Initial(a, b, a) }.Distinct().Count());
        Assert.Equal(Step.Zero, Lineages.Initial(a, b, c).Step);
    }

    [Fact]
    public void Reports_out_of_order_or_missing_losses_are_a_bug_and_refused()
    {
        Assert.Throws<ArgumentException>(() => Decide([Report(1, 1), Report(0, 1)]));
        Assert.Throws<ArgumentException>(() => Decide([Report(1, 1), Report(1, 1)]));
        Assert.Throws<ArgumentException>(() => Decide([], [1, 2, 3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Decide([], optimizerStep: 0));
    }
}

public sealed class RouterBiasTests
{
    [Fact]
    public void Overloaded_experts_fall_and_underloaded_ones_rise_by_the_speed()
    {
        float[] bias = [0.5f, 0f, -0.25f, 1f];
        RouterBias.Move(bias, [10, 0, 4, 2], 0.001f);
        Assert.Equal([0.5f - 0.001f, 0.001f, -0.25f, 1f + 0.001f], bias);
    }

    [Fact]
    public void A_mean_that_is_no_whole_number_is_compared_exactly()
    {
        float[] bias = [0, 0, 0];
        RouterBias.Move(bias, [3, 3, 4], 1f);
        Assert.Equal([1f, 1f, -1f], bias);
        bias = [0, 0];
        RouterBias.Move(bias, [long.MaxValue, long.MaxValue - 1], 1f);
        Assert.Equal([-1f, 1f], bias);
    }

    [Fact]
    public void Equal_loads_move_nothing()
    {
        float[] bias = [0.5f, -0.5f];
        RouterBias.Move(bias, [0, 0], 1f);
        RouterBias.Move(bias, [7, 7], 1f);
        Assert.Equal([0.5f, -0.5f], bias);
    }

    [Fact]
    public void One_count_for_each_expert_is_needed() => Assert.Throws<ArgumentException>(() => RouterBias.Move(new float[2], [1], 1f));
}
