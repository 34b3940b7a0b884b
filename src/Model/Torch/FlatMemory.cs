using ElasticTrain.Core;

namespace ElasticTrain.Model.Torch;

/// <summary>A matrix inside the flat buffer; neighbouring parameters with the same number of columns may form one matrix.</summary>
/// <param name="Offset">Position of its first value.</param>
/// <param name="Rows">Rows, the outputs of a linear map.</param>
/// <param name="Columns">Columns, its inputs.</param>
internal sealed record MatrixRef(long Offset, int Rows, int Columns);

/// <summary>Flat parameters or a flat gradient as plain memory. The buffer must stay alive while this is used.</summary>
internal readonly unsafe struct FlatMemory
{
    private readonly float* _start;
    private readonly IReadOnlyDictionary<long, long>? _places;

    /// <summary>All values.</summary>
    internal FlatMemory(NativeBuffer buffer) => _start = (float*)buffer.Address;

    /// <summary>A few parameters, packed.</summary>
    /// <param name="buffer">Their values.</param>
    /// <param name="places">Where a parameter lies in the buffer, by its offset in the flat one.</param>
    internal FlatMemory(NativeBuffer buffer, IReadOnlyDictionary<long, long> places) : this(buffer) => _places = places;

    /// <summary>The value at an offset, and what follows it; of packed parameters, only where one starts.</summary>
    internal float* At(long offset) => _start + (_places is null ? offset : _places[offset]);
}
