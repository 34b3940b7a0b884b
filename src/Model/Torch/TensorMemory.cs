using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Torch;

/// <summary>The way from tensors to plain memory and back.</summary>
internal static unsafe class TensorMemory
{
    private static readonly delegate* unmanaged<nint, nint> DataPointer = (delegate* unmanaged<nint, nint>)TorchRuntime.Export("THSTensor_data");

    private static readonly delegate* unmanaged<void*, nint, long*, int, sbyte, sbyte, int, int, byte, nint> New =
        (delegate* unmanaged<void*, nint, long*, int, sbyte, sbyte, int, int, byte, nint>)TorchRuntime.Export("THSTensor_new");

    /// <summary>Address of a tensor's first value. A dispose scope or a using block must hold the tensor for as long as the address is used.</summary>
    internal static float* Pointer(this Tensor tensor) => (float*)DataPointer(tensor.Handle);

    /// <summary>The values of a contiguous fp32 tensor.</summary>
    internal static ReadOnlySpan<float> Values(this Tensor tensor)
    {
        if (!tensor.is_contiguous() || tensor.dtype != ScalarType.Float32) throw new ArgumentException("Only contiguous fp32 tensors are plain memory.", nameof(tensor));
        return new ReadOnlySpan<float>(tensor.Pointer(), checked((int)tensor.numel()));
    }

    /// <summary>A one-dimensional fp32 tensor over memory that somebody else owns and keeps for longer than the tensor.</summary>
    internal static Tensor Wrap(float* address, long length) => Wrap(address, [length], &Keep);

    /// <summary>A contiguous fp32 tensor over memory that is given back when its last view is gone.</summary>
    /// <param name="address">The first value.</param>
    /// <param name="shape">The dimensions.</param>
    /// <param name="giveBack">Called once with the address, on any thread.</param>
    internal static Tensor Wrap(float* address, ReadOnlySpan<long> shape, delegate* unmanaged<nint, void> giveBack)
    {
        const sbyte float32 = (sbyte)ScalarType.Float32;
        fixed (long* sizes = shape)
        {
            nint handle = New(address, (nint)giveBack, sizes, shape.Length, float32, float32, (int)DeviceType.CPU, -1, 0);
            if (handle == 0) torch.CheckForErrors();
            return Tensor.UnsafeCreateTensor(handle);
        }
    }

    [UnmanagedCallersOnly]
    private static void Keep(nint address)
    {
    }
}
