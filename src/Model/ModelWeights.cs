using ElasticTrain.Core;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model;

/// <summary>Formats of weights.</summary>
public enum WeightFormat
{
    /// <summary>32 bits.</summary>
    Float32,

    /// <summary>The upper 16 bits of a 32-bit number.</summary>
    Bfloat16,
}

/// <summary>
/// The weights of a model as decoding reads them: fp32, or matrices and embedding in bf16, half the bytes. Norms, routers and their biases are small, decide
/// much, and always stay fp32.
/// </summary>
public sealed unsafe class ModelWeights : IDisposable
{
    private readonly NativeBuffer _single;
    private readonly NativeBuffer? _half; // two numbers in the place of one
    private readonly Dictionary<long, long> _places = [];
    private readonly bool _isOwned;

    /// <summary>Allocates weights of 0.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="format">How its matrices are held.</param>
    public ModelWeights(ParameterLayout layout, WeightFormat format)
    {
        (Layout, Format, _isOwned) = (layout, format, true);
        long length = layout.TotalLength;
        if (format == WeightFormat.Bfloat16)
        {
            long kept = 0;
            foreach (ParameterInfo parameter in layout.Parameters.Where(StaysFloat32))
            {
                _places.Add(parameter.Offset, kept);
                kept += parameter.Length;
            }
            _half = new NativeBuffer((length + 1) / 2, isStreamed: true);
            length = kept;
        }
        _single = new NativeBuffer(length, isStreamed: true);
    }

    /// <summary>Takes fp32 parameters as they lie; they must outlive this.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="parameters">As long as the layout says.</param>
    public ModelWeights(ParameterLayout layout, NativeBuffer parameters)
    {
        layout.RequireLength(parameters, nameof(parameters));
        (Layout, Format, _single) = (layout, WeightFormat.Float32, parameters);
    }

    /// <summary>The model.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>How the matrices are held.</summary>
    public WeightFormat Format { get; }

    /// <summary>Bytes held.</summary>
    public long Bytes => sizeof(float) * (_single.Length + (_half?.Length ?? 0));

    /// <summary>Whether a parameter is fp32 in any format.</summary>
    /// <param name="parameter">The parameter.</param>
    public static bool StaysFloat32(ParameterInfo parameter) => parameter.Kind != ParameterKind.Weight || parameter.Name.EndsWith(".mlp.gate.weight", StringComparison.Ordinal);

    /// <summary>Writes values, rounded to nearest even where they are held as bf16.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="first">Index of the first value in it.</param>
    /// <param name="values">Not more than the rest of the parameter.</param>
    /// <exception cref="BadInputException">A finite value is too large for bf16.</exception>
    public void Write(ParameterInfo parameter, long first, ReadOnlySpan<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first + values.Length, parameter.Length, nameof(values));
        if (_half is null || StaysFloat32(parameter))
        {
            values.CopyTo(_single.Slice((_half is null ? parameter.Offset : _places[parameter.Offset]) + first, values.Length));
            return;
        }
        Span<ushort> target = new(Half(parameter.Offset + first), values.Length);
        Bfloat16.Round(values, target);
        for (int i = 0; i < target.Length; i++)
        {
            if (float.IsInfinity(Bfloat16.Widen(target[i])) && float.IsFinite(values[i]))
                throw new BadInputException($"{parameter.Name} at index {first + i}", $"{values[i]}", "numbers that bf16 holds, up to 3.39e38; or fp32");
        }
    }

    /// <summary>Writes a shard.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="values">Its parameters, as long as the shard.</param>
    /// <exception cref="BadInputException">A finite value is too large for bf16.</exception>
    public void Write(ShardInfo shard, ReadOnlySpan<float> values)
    {
        foreach (ParameterInfo parameter in Layout.ParametersOf(shard.Id))
            Write(parameter, 0, values.Slice((int)(parameter.Offset - shard.Offset), (int)parameter.Length));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isOwned) return;
        _single.Dispose();
        _half?.Dispose();
    }

    /// <summary>What is held as fp32.</summary>
    internal FlatMemory Single => _half is null ? new FlatMemory(_single) : new FlatMemory(_single, _places);

    /// <summary>Whether the matrix that starts at an offset is held as bf16.</summary>
    internal bool IsHalf(long offset) => _half is not null && !_places.ContainsKey(offset);

    /// <summary>The bf16 number at an offset of the flat buffer, and what follows it.</summary>
    internal ushort* Half(long offset) => (ushort*)_half!.Address + offset;
}
