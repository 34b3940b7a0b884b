using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>A block of ranks and the sum of their gradients over the whole flat buffer.</summary>
/// <param name="Block">The ranks.</param>
/// <param name="Sum">Their sum, in layout order. Its holder returns it to the pool.</param>
public readonly record struct BlockSum(RankRange Block, NativeBuffer Sum);

/// <summary>
/// Pre-sums the gradients of ranks that one worker computes one after another, with the additions of <see cref="ReductionTree"/>, so that it
/// sends one block instead of several: a binary counter whose digits are flat gradients. Bits equal those of sending every rank on its own.
/// A rank that missed a shard has +0.0 there, which adds up as its marker does. Not thread-safe: one per device.
/// </summary>
/// <param name="virtualRanks">V.</param>
/// <param name="length">Values of the flat gradient.</param>
/// <param name="pool">Where merged buffers go back to.</param>
public sealed class BlockAccumulator(int virtualRanks, long length, BufferPool pool) : IDisposable
{
    private readonly Stack<BlockSum> _stack = new();

    /// <summary>The blocks held now, in ascending order; one block if the ranks so far make up one.</summary>
    public IReadOnlyList<RankRange> Blocks => [.. _stack.Reverse().Select(entry => entry.Block)];

    /// <summary>Whether the ranks so far make up exactly one block.</summary>
    public bool IsOneBlock => _stack.Count == 1;

    /// <summary>Adds the gradient of the next rank. The buffer belongs to the accumulator from now on.</summary>
    /// <param name="rank">Any rank at first, then always the one after the last.</param>
    /// <param name="gradient">The rank's flat gradient, usually rented from the pool.</param>
    /// <param name="useIdleCores">Whether the additions may use other cores. Each value is added on its own, so the bits are the same.</param>
    /// <exception cref="ArgumentException">The rank is not the next one or outside [0, V), or the buffer has another length.</exception>
    public void Add(RankId rank, NativeBuffer gradient, bool useIdleCores = false)
    {
        if (gradient.Length != length) throw new ArgumentException($"The flat gradient has {length} values, found {gradient.Length}.", nameof(gradient));
        if (rank.Value < 0 || rank.Value >= virtualRanks) throw new ArgumentException($"Rank {rank} is outside [0, {virtualRanks}).", nameof(rank));
        if (_stack.TryPeek(out var top) && top.Block.Hi != rank.Value)
            throw new ArgumentException($"Rank {rank} does not follow {top.Block}.", nameof(rank));
        var entry = new BlockSum(new RankRange(rank.Value, rank.Value + 1), gradient);
        while (_stack.TryPeek(out var left) && IsRightSibling(left.Block, entry.Block))
        {
            Summation.AddTo(left.Sum, entry.Sum, useIdleCores);
            pool.Return(entry.Sum);
            _stack.Pop();
            entry = left with { Block = ReductionTree.Parent(entry.Block, virtualRanks) };
        }
        _stack.Push(entry);
    }

    /// <summary>Hands the blocks over, in ascending order; the caller returns their buffers to the pool. The accumulator is empty afterwards.</summary>
    public IReadOnlyList<BlockSum> Take()
    {
        BlockSum[] blocks = [.. _stack.Reverse()];
        _stack.Clear();
        return blocks;
    }

    /// <summary>Returns the buffers held to the pool.</summary>
    public void Dispose()
    {
        foreach (var entry in Take()) pool.Return(entry.Sum);
    }

    private bool IsRightSibling(RankRange left, RankRange block) =>
        block != ReductionTree.Root(virtualRanks) && ReductionTree.Sibling(block, virtualRanks) == left;
}
