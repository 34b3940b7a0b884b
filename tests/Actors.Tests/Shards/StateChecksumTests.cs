using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Shards;

public sealed class StateChecksumTests
{
    private static readonly ParameterLayout Layout = ParameterLayout.Create(ModelConfig.Preset("tiny"));

    [Fact]
    public void A_bit_of_any_parameter_shows_in_the_checksum_of_the_update_after_it_also_of_a_router_bias()
    {
        var bias = Layout.Parameters.First(p => p.Kind == ParameterKind.RouterBias);
        ulong right = Checksum(bias.Shard, -1);
        foreach (var parameter in Layout.ParametersOf(bias.Shard))
            Assert.NotEqual(right, Checksum(bias.Shard, (int)(parameter.Offset - Layout.Shards[bias.Shard.Value].Offset)));
    }

    private static ulong Checksum(ShardId shard, int flipped)
    {
        using var state = new ShardState(Layout, shard, new OptimizerConstants(0.9f, 0.95f, 1e-8f, 0.001f));
        state.Initialize(1);
        if (flipped >= 0) state.Parameters.Span[flipped] += 0.5f;
        var step = new ApplyStep(
            new Term(1), Sample.Version(0), Sample.Version(1), Sample.Commit(1), 1f, 0.1f, 0.05f, 0, false, new long[Layout.MoeLayerCount * Layout.Config.NRoutedExperts])
        { WeightDecay = 0.1f };
        return state.Apply(step, new float[state.Info.Length]);
    }
}
