using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Model;

/// <summary>Walks the network once and assigns offsets. The order inside a layer is that of the computation, with matrices that share an input next
/// to each other: the network multiplies such neighbours as one matrix.</summary>
internal sealed class ParameterLayoutBuilder
{
    private const long ExpertShardBytes = 16 << 20;

    private readonly List<ParameterInfo> _parameters = [];
    private readonly List<ShardInfo> _shards = [];
    private readonly ModelConfig _config;
    private long _offset, _shardStart;
    private int _layer, _expert = -1;

    private ParameterLayoutBuilder(ModelConfig config) => _config = config;

    internal static ParameterLayout Build(ModelConfig config)
    {
        config.Validate("model");
        var builder = new ParameterLayoutBuilder(config);
        builder.Network();
        return new ParameterLayout(config, builder._parameters, builder._shards);
    }

    private void Network()
    {
        ModelConfig c = _config;
        _layer = -1;
        Weight("model.embed_tokens.weight", c.VocabSize, c.HiddenSize);
        Close(ShardKind.Dense);
        for (_layer = 0; _layer < c.NumHiddenLayers; _layer++)
        {
            Layer(ModelConfig.LayerPrefix(_layer));
        }
        Norm("model.norm.weight", c.HiddenSize);
        Weight("lm_head.weight", c.VocabSize, c.HiddenSize);
        Close(ShardKind.Dense);
        if (c.NumNextnPredictLayers == 0) return;
        string prediction = ModelConfig.LayerPrefix(_layer);
        Norm(prediction + "enorm.weight", c.HiddenSize);
        Norm(prediction + "hnorm.weight", c.HiddenSize);
        Weight(prediction + "eh_proj.weight", c.HiddenSize, 2 * c.HiddenSize);
        Norm(prediction + "shared_head.norm.weight", c.HiddenSize);
        Layer(prediction);
    }

    private void Layer(string prefix)
    {
        Norm(prefix + "input_layernorm.weight", _config.HiddenSize);
        Attention(prefix + "self_attn.");
        Norm(prefix + "post_attention_layernorm.weight", _config.HiddenSize);
        if (_config.IsMoe(_layer)) MixtureOfExperts(prefix + "mlp.");
        else
        {
            SwiGlu(prefix + "mlp.", _config.IntermediateSize);
            Close(ShardKind.Dense);
        }
    }

    private void Attention(string prefix)
    {
        ModelConfig c = _config;
        int queries = c.NumAttentionHeads * c.QkHeadDim;
        Weight(prefix + (c.QLoraRank is null ? "q_proj.weight" : "q_a_proj.weight"), c.QLoraRank ?? queries, c.HiddenSize);
        Weight(prefix + "kv_a_proj_with_mqa.weight", c.KvLoraRank + c.QkRopeHeadDim, c.HiddenSize);
        if (c.QLoraRank is { } rank)
        {
            Norm(prefix + "q_a_layernorm.weight", rank);
            Weight(prefix + "q_b_proj.weight", queries, rank);
        }
        Norm(prefix + "kv_a_layernorm.weight", c.KvLoraRank);
        Weight(prefix + "kv_b_proj.weight", c.NumAttentionHeads * (c.QkNopeHeadDim + c.VHeadDim), c.KvLoraRank);
        Weight(prefix + "o_proj.weight", c.HiddenSize, c.NumAttentionHeads * c.VHeadDim);
    }

    private void MixtureOfExperts(string prefix)
    {
        ModelConfig c = _config;
        Weight(prefix + "gate.weight", c.NRoutedExperts, c.HiddenSize);
        if (c.HasRouterBias) Add(prefix + "gate.e_score_correction_bias", ParameterKind.RouterBias, c.NRoutedExperts);
        if (c.NSharedExperts > 0) SwiGlu(prefix + "shared_experts.", c.NSharedExperts * c.MoeIntermediateSize);
        Close(ShardKind.Dense);

        long expertBytes = 3L * c.HiddenSize * c.MoeIntermediateSize * sizeof(float);
        int perShard = (int)Math.Clamp(ExpertShardBytes / expertBytes, 1, c.NRoutedExperts);
        for (int first = 0; first < c.NRoutedExperts; first += perShard)
        {
            int count = Math.Min(perShard, c.NRoutedExperts - first);
            for (_expert = first; _expert < first + count; _expert++)
                SwiGlu(string.Create(CultureInfo.InvariantCulture, $"{prefix}experts.{_expert}."), c.MoeIntermediateSize);
            _expert = -1;
            Close(ShardKind.Expert, first, count);
        }
    }

    private void SwiGlu(string prefix, int width)
    {
        Weight(prefix + "gate_proj.weight", width, _config.HiddenSize);
        Weight(prefix + "up_proj.weight", width, _config.HiddenSize);
        Weight(prefix + "down_proj.weight", _config.HiddenSize, width);
    }

    private void Weight(string name, int rows, int columns) => Add(name, ParameterKind.Weight, rows, columns);

    private void Norm(string name, int width) => Add(name, ParameterKind.Norm, width);

    private void Add(string name, ParameterKind kind, params long[] shape)
    {
        long length = shape.Aggregate(1L, (product, size) => product * size); // of two 31-bit numbers at most
        if (length > int.MaxValue) throw new BadInputException($"model: {name}", $"shape [{string.Join(", ", shape)}]", $"at most {int.MaxValue} values");
        _parameters.Add(new ParameterInfo(name, shape, _offset, length, kind, _layer, _expert, new ShardId(_shards.Count)));
        _offset += length;
    }

    private void Close(ShardKind kind, int firstExpert = 0, int experts = 0)
    {
        long length = _offset - _shardStart;
        if (length > int.MaxValue)
            throw new BadInputException($"model: layer {_layer}", $"a shard of {length} values", $"at most {int.MaxValue} in one shard");
        _shards.Add(new ShardInfo(new ShardId(_shards.Count), kind, _layer, _shardStart, (int)length, firstExpert, experts));
        _shardStart = _offset;
    }
}
