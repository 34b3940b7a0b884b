using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

/// <summary>The network says which parameters it needs, and needs no others.</summary>
public class ResidencyTests
{
    /// <summary>Holds exactly the segment that was entered; everything else is NaN.</summary>
    private sealed class OneSegment(ParameterLayout layout, NativeBuffer source, NativeBuffer window, int neverLoaded = -1) : IParameterResidency
    {
        private IReadOnlyList<int> _route = [];
        private int _position, _held = -1;

        internal List<int> Entered { get; } = [];

        public void Begin(IReadOnlyList<int> route) => (_route, _position) = (route, 0);

        public void Enter(int segment)
        {
            if (segment == _held) return;
            Assert.Equal(_route[_position++], segment);
            Leave();
            Entered.Add(_held = segment);
            if (segment == neverLoaded) return;
            foreach (ShardInfo shard in layout.Segments[segment].Shards) source.Slice(shard.Offset, shard.Length).CopyTo(window.Slice(shard.Offset, shard.Length));
        }

        public void End()
        {
            Assert.Equal(_route.Count, _position);
            Leave();
        }

        private void Leave()
        {
            window.Span.Fill(float.NaN);
            _held = -1;
        }
    }

    private static ModelConfig Config(bool predicts, bool raw) =>
        TestModel.Tiny with { NumNextnPredictLayers = predicts ? 1 : 0, MtpInput = raw ? MtpInput.Raw : MtpInput.Normed, AuxLossAlpha = 0.1 };

    [Theory]
    [InlineData(false, false, false, 0)]
    [InlineData(false, false, true, 0)]
    [InlineData(false, false, false, 2)]
    [InlineData(false, false, true, 3)]
    [InlineData(true, false, false, 0)]
    [InlineData(true, true, true, 1)]
    [InlineData(true, true, false, 3)]
    public void One_segment_at_a_time_gives_the_same_bits(bool predicts, bool raw, bool recompute, int frozenPrefix)
    {
        using var model = new TestModel(Config(predicts, raw));
        using var window = new NativeBuffer(model.Layout.TotalLength);
        window.Span.Fill(float.NaN);
        using var replica = new ModelReplica(model.Layout, window, ComputeKind.Fp32, recompute);
        MicroBatch[] batches = [model.Batch(1), model.Batch(2, rows: 1, length: 1), model.Batch(3)];
        var residency = new OneSegment(model.Layout, model.Parameters, window);
        using NativeBuffer expected = new(model.Layout.TotalLength), gradient = new(model.Layout.TotalLength);
        RankResult resident = model.Replica.ComputeRank(batches, 1000, frozenPrefix, expected);
        RankResult streamed = replica.ComputeRank(batches, 1000, frozenPrefix, gradient, residency: residency);
        Assert.Equal(model.Digest(resident, expected, frozenPrefix), model.Digest(streamed, gradient, frozenPrefix));
        Assert.Equal(resident.MtpLossSum, streamed.MtpLossSum);
        Assert.Equal(model.Layout.Segments.Count, residency.Entered.Distinct().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(5)]
    public void A_segment_that_is_not_loaded_is_seen(int segment)
    {
        using var model = new TestModel(Config(predicts: true, raw: false));
        using var window = new NativeBuffer(model.Layout.TotalLength);
        window.Span.Fill(float.NaN);
        using var replica = new ModelReplica(model.Layout, window, ComputeKind.Fp32);
        using var gradient = new NativeBuffer(model.Layout.TotalLength);
        RankResult result = replica.ComputeRank([model.Batch(1)], 1000, 0, gradient, residency: new OneSegment(model.Layout, model.Parameters, window, segment));
        Assert.True(double.IsNaN(result.LossSum + result.MtpLossSum));
    }

    [Fact]
    public void Segments_cover_the_buffer_in_order()
    {
        ParameterLayout layout = ParameterLayout.Create(Config(predicts: true, raw: false));
        int layers = layout.Config.NumHiddenLayers;
        Assert.Equal(Enumerable.Range(0, layers + 3), layout.Segments.Select(s => s.Index));
        long end = 0;
        foreach (ParameterSegment segment in layout.Segments)
        {
            Assert.Equal(end, segment.Offset);
            end += segment.Length;
        }
        Assert.Equal(layout.TotalLength, end);
        Assert.Equal(layout["model.embed_tokens.weight"].Shard, layout.Segments[ParameterSegment.Embedding].Shards[0].Id);
        Assert.Contains(layout.Segments[ParameterSegment.OfLayer(1)].Shards, s => s.Kind == ShardKind.Expert && s.Layer == 1);
        Assert.Equal(layout["lm_head.weight"].Shard, Assert.Single(layout.Segments[ParameterSegment.OfLayer(layers)].Shards).Id);
        Assert.Equal(2, layout.Segments[ParameterSegment.OfLayer(layers + 1)].Shards.Count);
    }
}
