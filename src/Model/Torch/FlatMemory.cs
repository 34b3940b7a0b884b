using ElasticTrain.Core;

namespace ElasticTrain.Model.Torch;

/// <summary>A matrix inside the flat buffer; neighbouring parameters with the same number of columns may form one matrix.</summary>
/// <param name="Offset">Position of its first value.</param>
/// <param name="Rows">Rows, the outputs of a linear map.</param>
/// <param name="Columns">Columns, its inputs.</param>
internal sealed record MatrixRef(long Offset, int Rows, int Columns);

/// <summary>Flat parameters or a flat gradient as plain memory. The buffer must stay alive while this is used.</summary>
internal readonly unsafe struct FlatMemory(NativeBuffer buffer)
{
    private readonly float* _start = (float*)buffer.Address;

    /// <summary>The value at an offset, and what follows it.</summary>
    internal float* At(long offset) => _start + offset;
}
