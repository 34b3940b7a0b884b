using System.Runtime.InteropServices;
using ElasticTrain.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Torch;

/// <summary>A matrix inside the flat buffer; neighbouring parameters with the same number of columns may form one matrix.</summary>
/// <param name="Index">Numbers the matrices of a network from 0.</param>
/// <param name="Offset">Position of its first value.</param>
/// <param name="Rows">Rows, the outputs of a linear map.</param>
/// <param name="Columns">Columns, its inputs.</param>
internal sealed record MatrixRef(int Index, long Offset, long Rows, long Columns);

/// <summary>Tensors over the memory of a flat buffer, without copies; made once and kept for as long as the buffer is used.</summary>
internal sealed unsafe class FlatViews : IDisposable
{
    private readonly Tensor _flat;
    private readonly Tensor?[] _matrices, _transposed;

    internal FlatViews(NativeBuffer buffer, int matrixCount)
    {
        Buffer = buffer;
        Address = (float*)buffer.Address;
        _flat = TensorMemory.Wrap(Address, buffer.Length);
        _matrices = new Tensor?[matrixCount];
        _transposed = new Tensor?[matrixCount];
    }

    /// <summary>The buffer that the views are of.</summary>
    internal NativeBuffer Buffer { get; }

    /// <summary>Its first value.</summary>
    internal float* Address { get; }

    /// <summary>A matrix, [out, in].</summary>
    internal Tensor Matrix(MatrixRef reference) => _matrices[reference.Index] ??=
        Keep(_flat.narrow(0, reference.Offset, reference.Rows * reference.Columns).view(reference.Rows, reference.Columns));

    /// <summary>The same memory as [in, out].</summary>
    internal Tensor Transposed(MatrixRef reference) => _transposed[reference.Index] ??= Keep(Matrix(reference).t());

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor? tensor in _transposed) tensor?.Dispose();
        foreach (Tensor? tensor in _matrices) tensor?.Dispose();
        _flat.Dispose();
    }

    private static Tensor Keep(Tensor tensor) => tensor.DetachFromDisposeScope();
}

/// <summary>The way from tensors to plain memory and back.</summary>
internal static unsafe class TensorMemory
{
    private static readonly delegate* unmanaged<nint, nint> DataPointer = (delegate* unmanaged<nint, nint>)TorchRuntime.Export("THSTensor_data");

    private static readonly delegate* unmanaged<void*, nint, long*, int, sbyte, sbyte, int, int, byte, nint> New =
        (delegate* unmanaged<void*, nint, long*, int, sbyte, sbyte, int, int, byte, nint>)TorchRuntime.Export("THSTensor_new");

    /// <summary>Address of a tensor's first value.</summary>
    internal static float* Pointer(this Tensor tensor) => (float*)DataPointer(tensor.Handle);

    /// <summary>A one-dimensional fp32 tensor over memory that somebody else owns and keeps for longer than the tensor.</summary>
    internal static Tensor Wrap(float* address, long length)
    {
        const sbyte float32 = (sbyte)ScalarType.Float32;
        delegate* unmanaged<nint, void> keep = &Keep;
        nint handle = New(address, (nint)keep, &length, 1, float32, float32, (int)DeviceType.CPU, -1, 0);
        if (handle == 0) torch.CheckForErrors();
        return Tensor.UnsafeCreateTensor(handle).DetachFromDisposeScope();
    }

    [UnmanagedCallersOnly]
    private static void Keep(nint address)
    {
    }
}
