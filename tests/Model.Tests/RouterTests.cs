using ElasticTrain.Core;
using ElasticTrain.Model.Network;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Tests;

/// <summary>Which experts a token gets, in cases small enough for paper: eight experts in four groups of two, and a gate that passes its input on.</summary>
public class RouterTests
{
    private const int Experts = 8;

    // The best single expert sits beside the worst, the best pair in the third group: each method goes elsewhere.
    private static readonly float[] Uneven = [3, -9, 2.9f, 2.6f, 2.8f, 2.7f, 0, 0];

    [Theory]
    [InlineData(TopkMethod.Greedy, new[] { 0, 2, 4 })] // the best of all
    [InlineData(TopkMethod.GroupLimitedGreedy, new[] { 0, 2, 3 })] // groups 0 and 1 have the largest maximum
    [InlineData(TopkMethod.NoauxTc, new[] { 2, 4, 5 })] // groups 2 and 1 have the largest sum of two
    public void Each_method_chooses_as_published(TopkMethod method, int[] expected)
    {
        Assert.Equal(expected, Choose(method, ScoringFunc.Softmax, 2, Uneven).Experts);
        Assert.Equal(expected, Choose(method, ScoringFunc.Sigmoid, 2, Uneven).Experts);
    }

    [Theory]
    [InlineData(TopkMethod.Greedy, new float[] { 1, 1, 1, 1, 1, 1, 1, 1 }, new[] { 0, 1, 2 })]
    [InlineData(TopkMethod.Greedy, new float[] { 0, 0, 0, 0, 0, 2, 2, 0 }, new[] { 5, 6, 0 })]
    [InlineData(TopkMethod.GroupLimitedGreedy, new float[] { 1, 0, 1, 0, 1, 0, 1, 0 }, new[] { 0, 2, 1 })] // equal groups: 0 and 1
    [InlineData(TopkMethod.GroupLimitedGreedy, new float[] { 0, 0, 0, 1, 0, 0, 1, 0 }, new[] { 3, 6, 2 })]
    [InlineData(TopkMethod.NoauxTc, new float[] { 2, 0, 0, 2, 2, 0, 0, 2 }, new[] { 0, 3, 1 })] // equal sums: groups 0 and 1
    [InlineData(TopkMethod.NoauxTc, new float[] { 0, 0, 1, 0, 0, 0, 0, 1 }, new[] { 2, 7, 3 })]
    public void Of_equal_groups_and_of_equal_experts_the_lower_wins(TopkMethod method, float[] logits, int[] expected) =>
        Assert.Equal(expected, Choose(method, ScoringFunc.Sigmoid, 2, logits).Experts);

    [Fact]
    public void The_bias_selects_and_the_weights_are_those_of_the_scores()
    {
        var (experts, weights) = Choose(TopkMethod.NoauxTc, ScoringFunc.Sigmoid, 2, new float[Experts], [0.3f, 0, 0.2f, 0.2f, 0, 0, 0.1f, 0.1f]);
        Assert.Equal([0, 2, 3], experts);
        foreach (float weight in weights) Assert.Equal(2.5 / 3, weight, 1e-6);
    }

    [Fact]
    public void A_closed_group_stays_closed_however_low_the_open_one_is() =>
        Assert.Equal([7, 6], Choose(TopkMethod.NoauxTc, ScoringFunc.Sigmoid, 1, new float[Experts], [-9, -9, -8, -8, -7, -7, -6, -5], chosen: 2).Experts);

    [Fact]
    public void Every_token_is_routed_by_its_own_scores()
    {
        float[] reversed = [.. Uneven.Reverse()];
        Assert.Equal([0, 2, 4, 7, 5, 3, 0, 2, 4], Choose(TopkMethod.Greedy, ScoringFunc.Softmax, 1, [.. Uneven, .. reversed, .. Uneven]).Experts);
    }

    private static (int[] Experts, float[] Weights) Choose(TopkMethod method, ScoringFunc scoring, int keptGroups, float[] logits, float[]? bias = null, int chosen = 3)
    {
        ModelConfig config = TestModel.Tiny with
        {
            HiddenSize = Experts,
            NRoutedExperts = Experts,
            NGroup = 4,
            TopkGroup = keptGroups,
            NumExpertsPerTok = chosen,
            TopkMethod = method,
            ScoringFunc = scoring,
            NormTopkProb = true,
            RoutedScalingFactor = 2.5,
        };
        TorchRuntime.BindThread();
        using var parameters = new NativeBuffer((Experts * Experts) + Experts);
        for (int i = 0; i < Experts; i++) parameters.Span[(i * Experts) + i] = 1;
        bias?.CopyTo(parameters.Span[(Experts * Experts)..]);
        int tokens = logits.Length / Experts;
        using IDisposable noGraph = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using var rotary = new RotaryTable(config, 1);
        Workspace.Begin(1, tokens);
        var router = new Router(config, new Linear(new MatrixRef(0, Experts, Experts), ComputeKind.Fp32),
            config.HasRouterBias ? new ParameterInfo("bias", [Experts], Experts * Experts, Experts, ParameterKind.RouterBias, 0, -1, new ShardId(0)) : null);
        using Tensor x = tensor(logits).view(tokens, Experts);
        Router.Routing routing = router.Forward(new Pass(new FlatMemory(parameters), default, 1, tokens, rotary), x);
        return (routing.Experts, routing.Weights);
    }
}
