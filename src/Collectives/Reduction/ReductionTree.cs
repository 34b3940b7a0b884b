using System.Numerics;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>
/// The fixed binary tree over the virtual ranks [0, V) that defines the order in which gradients are summed. Node (level j, index k) covers
/// [k 2^j, min((k+1) 2^j, V)). A leaf's value is its rank's gradient; an inner node's value is left + right in fp32; a node whose right child
/// would be empty is its left child. V need not be a power of two. A <i>block</i> is the range of a node; blocks are what workers may pre-sum.
/// </summary>
public static class ReductionTree
{
    /// <summary>Whether the range is a node of the tree.</summary>
    public static bool IsBlock(RankRange range, int virtualRanks)
    {
        if (range.Lo < 0 || range.Count <= 0 || range.Hi > virtualRanks) return false;
        long size = Size(range);
        return (range.Lo & (size - 1)) == 0 && Math.Min(range.Lo + size, virtualRanks) == range.Hi;
    }

    /// <summary>The whole tree, [0, V).</summary>
    public static RankRange Root(int virtualRanks) => new(0, virtualRanks);

    /// <summary>The smallest block that is larger than <paramref name="block"/> and holds it.</summary>
    /// <exception cref="ArgumentException">The range is not a block, or is the root.</exception>
    public static RankRange Parent(RankRange block, int virtualRanks)
    {
        Require(block, virtualRanks);
        if (block == Root(virtualRanks)) throw new ArgumentException($"{block} is the whole tree of {virtualRanks} ranks: it has no parent.", nameof(block));
        // A node at the right edge may have an empty right child; such a parent is the node itself, so go on until the range grows.
        for (long size = 2 * Size(block); ; size *= 2)
        {
            long lo = block.Lo & ~(size - 1);
            var parent = new RankRange((int)lo, (int)Math.Min(lo + size, virtualRanks));
            if (parent != block) return parent;
        }
    }

    /// <summary>The two blocks whose sum a block of at least two ranks is.</summary>
    /// <exception cref="ArgumentException">The range is not a block, or is a single rank.</exception>
    public static (RankRange Left, RankRange Right) Children(RankRange block, int virtualRanks)
    {
        Require(block, virtualRanks);
        if (block.Count == 1) throw new ArgumentException($"{block} is one rank: it has no children.", nameof(block));
        int middle = block.Lo + (int)(Size(block) / 2);
        return (new RankRange(block.Lo, middle), new RankRange(middle, block.Hi));
    }

    /// <summary>The block that <paramref name="block"/> is added to.</summary>
    /// <exception cref="ArgumentException">The range is not a block, or is the root.</exception>
    public static RankRange Sibling(RankRange block, int virtualRanks)
    {
        var (left, right) = Children(Parent(block, virtualRanks), virtualRanks);
        return left == block ? right : left;
    }

    /// <summary>The largest block that starts at the first rank of <paramref name="within"/>, stays inside it, and has at most <paramref name="most"/> ranks.</summary>
    /// <param name="within">A non-empty range inside [0, V).</param>
    /// <param name="most">At least 1.</param>
    /// <param name="virtualRanks">V.</param>
    public static RankRange LargestBlock(RankRange within, int most, int virtualRanks)
    {
        RequireRange(within, virtualRanks);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most);
        var best = new RankRange(within.Lo, within.Lo + 1);
        for (long size = 2; (within.Lo & (size - 1)) == 0 && size / 2 < virtualRanks; size *= 2)
        {
            var block = new RankRange(within.Lo, (int)Math.Min(within.Lo + size, virtualRanks));
            if (block.Hi > within.Hi || block.Count > most) break;
            best = block;
        }
        return best;
    }

    /// <summary>The fewest blocks that make up a range, in ascending order.</summary>
    public static IEnumerable<RankRange> Blocks(RankRange range, int virtualRanks)
    {
        if (range.Count == 0) return [];
        RequireRange(range, virtualRanks);
        return Enumerate(range, virtualRanks);

        static IEnumerable<RankRange> Enumerate(RankRange rest, int virtualRanks)
        {
            while (rest.Count > 0)
            {
                var block = LargestBlock(rest, rest.Count, virtualRanks);
                yield return block;
                rest = new RankRange(block.Hi, rest.Hi);
            }
        }
    }

    /// <summary>All blocks that hold <paramref name="block"/>, itself first, the root last.</summary>
    public static IEnumerable<RankRange> SelfAndAncestors(RankRange block, int virtualRanks)
    {
        Require(block, virtualRanks);
        return Enumerate(block, virtualRanks);

        static IEnumerable<RankRange> Enumerate(RankRange block, int virtualRanks)
        {
            yield return block;
            for (var root = Root(virtualRanks); block != root;)
            {
                block = Parent(block, virtualRanks);
                yield return block;
            }
        }
    }

    /// <summary>Throws unless the range is a block.</summary>
    /// <exception cref="ArgumentException">The range is not a block; the message says how it would be cut into blocks.</exception>
    internal static void Require(RankRange range, int virtualRanks)
    {
        if (IsBlock(range, virtualRanks)) return;
        RequireRange(range, virtualRanks);
        throw new ArgumentException(
            $"{range} is no block of the reduction tree over {virtualRanks} ranks; it would be {string.Join(" and ", Blocks(range, virtualRanks))}.");
    }

    private static void RequireRange(RankRange range, int virtualRanks)
    {
        if (range.Lo < 0 || range.Count <= 0 || range.Hi > virtualRanks)
            throw new ArgumentException($"{range} is no part of the ranks [0, {virtualRanks}).");
    }

    /// <summary>The smallest power of two that is not below the number of ranks.</summary>
    private static long Size(RankRange range) => (long)BitOperations.RoundUpToPowerOf2((uint)range.Count);
}
