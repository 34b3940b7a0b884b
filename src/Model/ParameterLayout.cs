using System.Globalization;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Model;

/// <summary>What a shard holds.</summary>
public enum ShardKind
{
    /// <summary>Everything but routed experts.</summary>
    Dense,

    /// <summary>Whole routed experts of one layer.</summary>
    Expert,
}

/// <summary>How a parameter is treated by the optimizer.</summary>
public enum ParameterKind
{
    /// <summary>A matrix: moved by Adam, with weight decay.</summary>
    Weight,

    /// <summary>The scale of a norm: moved by Adam, without weight decay.</summary>
    Norm,

    /// <summary>A router's selection bias: no gradient and no Adam, moved by token counts.</summary>
    RouterBias,
}

/// <summary>One parameter tensor.</summary>
/// <param name="Name">Its Hugging Face name.</param>
/// <param name="Shape">Its dimensions; linear weights are [out, in].</param>
/// <param name="Offset">Position of its first value in the flat buffer.</param>
/// <param name="Length">Number of values.</param>
/// <param name="Kind">How the optimizer treats it.</param>
/// <param name="Layer">-1 for the embedding, 0 to N-1 for the layers, N for the final norm, the head and the prediction module.</param>
/// <param name="Expert">The routed expert, or -1.</param>
/// <param name="Shard">The shard that holds it.</param>
public sealed record ParameterInfo(string Name, long[] Shape, long Offset, long Length, ParameterKind Kind, int Layer, int Expert, ShardId Shard);

/// <summary>One contiguous piece of the flat buffer.</summary>
/// <param name="Id">Its index in layout order.</param>
/// <param name="Kind">What it holds.</param>
/// <param name="Layer">-1 for the embedding, 0 to N-1 for the layers, N for the final norm, the head and the prediction module.</param>
/// <param name="Offset">Position of its first value in the flat buffer.</param>
/// <param name="Length">Number of values.</param>
/// <param name="FirstExpert">First routed expert in it; 0 in a dense shard.</param>
/// <param name="ExpertCount">Number of routed experts in it; 0 in a dense shard.</param>
public sealed record ShardInfo(ShardId Id, ShardKind Kind, int Layer, long Offset, int Length, int FirstExpert, int ExpertCount);

/// <summary>
/// Where every parameter lies in the one flat fp32 buffer, and how the buffer is cut into shards: the embedding; for each layer a dense shard
/// and its expert shards; the final norm and the head; the prediction module like a layer. Contiguous, without padding, and a function of the configuration alone.
/// </summary>
public sealed class ParameterLayout
{
    private readonly ILookup<ShardId, ParameterInfo> _byShard;
    private readonly Dictionary<string, ParameterInfo> _byName;
    private readonly int[] _moeLayers;

    internal ParameterLayout(ModelConfig config, IReadOnlyList<ParameterInfo> parameters, IReadOnlyList<ShardInfo> shards)
    {
        (Config, Parameters, Shards) = (config, parameters, shards);
        TotalLength = shards[^1].Offset + shards[^1].Length;
        _byShard = parameters.ToLookup(parameter => parameter.Shard);
        _byName = parameters.ToDictionary(parameter => parameter.Name);
        _moeLayers = [.. config.MoeLayers];
        Segments = ParameterSegment.Of(shards, config.NumHiddenLayers);
    }

    /// <summary>The network that this is the layout of.</summary>
    public ModelConfig Config { get; }

    /// <summary>All parameters in layout order.</summary>
    public IReadOnlyList<ParameterInfo> Parameters { get; }

    /// <summary>All shards in layout order; a shard's id is its index.</summary>
    public IReadOnlyList<ShardInfo> Shards { get; }

    /// <summary>The buffer in the pieces that the network needs one at a time: embedding, layers, norm and head, prediction module.</summary>
    public IReadOnlyList<ParameterSegment> Segments { get; }

    /// <summary>Number of values in the flat buffer.</summary>
    public long TotalLength { get; }

    /// <summary>Number of layers with routed experts, the prediction module included.</summary>
    public int MoeLayerCount => _moeLayers.Length;

    /// <summary>Refuses a buffer of another length than the flat one.</summary>
    internal void RequireLength(NativeBuffer buffer, string name)
    {
        if (buffer.Length != TotalLength) throw new ArgumentException($"The layout has {TotalLength} values, the buffer {buffer.Length}.", name);
    }

    /// <summary>Lays out a network.</summary>
    /// <exception cref="BadInputException">The configuration is impossible, or one shard would hold more than 2^31-1 values.</exception>
    public static ParameterLayout Create(ModelConfig config) => ParameterLayoutBuilder.Build(config);

    /// <summary>The row of <see cref="RankResult.TokensPerExpert"/> that belongs to a layer with routed experts.</summary>
    public int MoeLayerIndex(int layer) => Array.BinarySearch(_moeLayers, layer) is >= 0 and int index
        ? index
        : throw new ArgumentOutOfRangeException(nameof(layer), layer, "not a layer with routed experts");

    /// <summary>The parameters of a shard in layout order.</summary>
    public IReadOnlyList<ParameterInfo> ParametersOf(ShardId shard) => [.. _byShard[shard]];

    /// <summary>The parameter of a given Hugging Face name.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public ParameterInfo this[string name] => _byName.TryGetValue(name, out ParameterInfo? parameter) ? parameter : throw new KeyNotFoundException($"no parameter {name}");

    /// <summary>Whether a shard is frozen.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="frozenPrefix">0 freezes nothing; K + 1 freezes the embedding and the layers 0 to K. The final norm, the head and the prediction module stay trainable.</param>
    public static bool IsFrozen(ShardInfo shard, int frozenPrefix) => shard.Layer < frozenPrefix && frozenPrefix > 0;

    /// <summary>Every parameter with its shape, place and shard, for hashes.</summary>
    public string Canonical()
    {
        var text = new StringBuilder(Config.Canonical());
        foreach (ParameterInfo p in Parameters)
            text.Append(CultureInfo.InvariantCulture, $"{p.Name} [{string.Join(',', p.Shape)}] {p.Offset} {p.Kind} {p.Shard.Value}\n");
        return text.ToString();
    }

    /// <summary>
    /// Writes a shard's initial values: weights from a normal distribution with standard deviation <see cref="ModelConfig.InitializerRange"/>,
    /// norms 1, router biases 0. A value depends on the seed, the parameter's name and its index only: any order and any machine give the same bits.
    /// </summary>
    /// <param name="shard">The shard.</param>
    /// <param name="seed">The plan's seed.</param>
    /// <param name="destination">As long as the shard.</param>
    public void Initialize(ShardId shard, ulong seed, Span<float> destination)
    {
        ShardInfo info = Shards[shard.Value];
        if (destination.Length != info.Length) throw new ArgumentException($"Shard {shard} has {info.Length} values, the destination {destination.Length}.", nameof(destination));
        foreach (ParameterInfo parameter in _byShard[shard])
        {
            Span<float> values = destination.Slice((int)(parameter.Offset - info.Offset), (int)parameter.Length);
            if (parameter.Kind == ParameterKind.Weight) NormalDistribution.Fill(CounterRandom.Key(seed, parameter.Name), Config.InitializerRange, values);
            else values.Fill(parameter.Kind == ParameterKind.Norm ? 1f : 0f);
        }
    }
}
