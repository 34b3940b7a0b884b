using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using ElasticTrain.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Torch;

/// <summary>
/// Memory for activations. A thread's passes ask for the same sizes again and again, so a block that a tensor gave back waits for the next one of its
/// size: after the first pass nothing is allocated, faulted in or fragmented.
/// </summary>
internal static unsafe class Workspace
{
    private static readonly ConcurrentDictionary<nint, (NativeBuffer Block, Pool Home)> Lent = new();

    [ThreadStatic] private static Pool? _pool;

    /// <summary>Says what this thread computes next. Blocks that wait are released if it is of another shape.</summary>
    internal static void Begin(int rows, int length) => (_pool ??= new Pool()).Begin((rows, length));

    /// <summary>An fp32 tensor whose content is of no meaning.</summary>
    internal static Tensor Empty(params ReadOnlySpan<long> shape)
    {
        long length = 1;
        foreach (long size in shape) length *= size;
        Pool pool = _pool ??= new Pool();
        NativeBuffer block = pool.Take(length);
        Lent[block.Address] = (block, pool);
        return TensorMemory.Wrap((float*)block.Address, shape, &Return);
    }

    /// <summary>A tensor like another, whose content is of no meaning.</summary>
    internal static Tensor EmptyLike(Tensor other) => Empty(other.shape);

    /// <summary>A tensor of zeros.</summary>
    internal static Tensor Zeros(params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Empty(shape);
        NativeMemory.Clear(tensor.Pointer(), (nuint)tensor.numel() * sizeof(float));
        return tensor;
    }

    /// <summary>A copy of a contiguous tensor.</summary>
    internal static Tensor CopyOf(Tensor other)
    {
        Tensor copy = EmptyLike(other);
        NativeMemory.Copy(other.Pointer(), copy.Pointer(), (nuint)other.numel() * sizeof(float));
        return copy;
    }

    /// <summary>Called by torch, on whatever thread drops the last view of a block.</summary>
    [UnmanagedCallersOnly]
    private static void Return(nint address)
    {
        if (Lent.TryRemove(address, out (NativeBuffer Block, Pool Home) lent)) lent.Home.Give(lent.Block);
    }

    private sealed class Pool
    {
        private readonly Dictionary<long, Stack<NativeBuffer>> _free = [];
        private (int Rows, int Length) _shape;

        internal void Begin((int Rows, int Length) shape)
        {
            if (shape == _shape) return;
            lock (_free)
            {
                foreach (NativeBuffer block in _free.Values.SelectMany(blocks => blocks)) block.Dispose();
                _free.Clear();
                _shape = shape;
            }
        }

        internal NativeBuffer Take(long length)
        {
            lock (_free)
            {
                if (_free.TryGetValue(length, out Stack<NativeBuffer>? blocks) && blocks.TryPop(out NativeBuffer? block)) return block;
            }
            return new NativeBuffer(length);
        }

        internal void Give(NativeBuffer block)
        {
            lock (_free)
            {
                if (!_free.TryGetValue(block.Length, out Stack<NativeBuffer>? blocks)) _free[block.Length] = blocks = new Stack<NativeBuffer>();
                blocks.Push(block);
            }
        }
    }
}
