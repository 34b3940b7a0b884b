using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>
/// Sums one shard's gradient over all virtual ranks, bit for bit as <see cref="ReductionTree"/> defines it. It is a join: blocks may arrive in
/// any order, twice, from anyone, from several threads at once; the sum is complete when [0, V) is covered. Additions run outside the lock, so
/// contributions to different subtrees are added in parallel. Needs one buffer per subtree that waits for its sibling: about log2 V when blocks
/// come in order, V/2 in the worst order.
/// </summary>
public sealed class TreeReducer : IDisposable
{
    private readonly object _gate = new();
    private readonly int _virtualRanks, _length;
    private readonly BufferPool _pool;
    private readonly RankRange _root;

    /// <summary>What is covered, as disjoint blocks. Whoever works on a block holds it <see cref="Node.Busy"/>.</summary>
    private readonly Dictionary<RankRange, Node> _nodes = [];

    /// <summary>The digest of every block that was contributed since the last reset.</summary>
    private readonly Dictionary<RankRange, UInt128> _digests = [];

    private readonly Lazy<UInt128> _zeroDigest;
    private NativeBuffer? _sum;
    private int _underWay;

    /// <summary>Makes an empty reducer.</summary>
    /// <param name="virtualRanks">V, at least 1.</param>
    /// <param name="length">Values of the shard.</param>
    /// <param name="pool">Where partial sums live; must outlive the reducer.</param>
    public TreeReducer(int virtualRanks, int length, BufferPool pool)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(virtualRanks);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        (_virtualRanks, _length, _pool, _root) = (virtualRanks, length, pool, ReductionTree.Root(virtualRanks));
        _zeroDigest = new(() => Summation.DigestOfZeros(length));
    }

    /// <summary>
    /// The sum over all ranks, or null while it is incomplete. Owned by the reducer: valid until <see cref="Reset"/>, <see cref="TakeSum"/> or
    /// <see cref="Dispose"/>.
    /// </summary>
    public NativeBuffer? Sum
    {
        get { lock (_gate) return _sum; }
    }

    /// <summary>XxHash128 of the complete sum's bytes where it is known already, because one contribution brought all of [0, V); else null.</summary>
    public UInt128? SumDigest
    {
        get { lock (_gate) return _sum is not null && _digests.TryGetValue(_root, out var digest) ? digest : null; }
    }

    /// <summary>Whether [0, V) is covered and summed.</summary>
    public bool IsComplete => Sum is not null;

    /// <summary>Adds the summed gradient of a block of ranks. The values are copied or consumed before the method returns.</summary>
    /// <exception cref="ArgumentException">The range is not a block, or the number of values is not the shard's.</exception>
    /// <exception cref="ContributionMismatchException">The block was there already, with other values. They are kept; these are dropped.</exception>
    public ContributionOutcome Contribute(RankRange block, ReadOnlySpan<float> values)
    {
        RequireLength(values);
        return Contribute(block, values, Summation.Digest(values));
    }

    /// <summary>As above, for values whose digest is known already (a frame's payload digest), which saves a pass over them.</summary>
    /// <param name="block">The ranks.</param>
    /// <param name="values">Their sum.</param>
    /// <param name="digest">XxHash128 of the values' bytes; the caller vouches for it.</param>
    public ContributionOutcome Contribute(RankRange block, ReadOnlySpan<float> values, UInt128 digest)
    {
        ReductionTree.Require(block, _virtualRanks);
        RequireLength(values);
        return Join(block, values, isMarker: false, digest);
    }

    /// <summary>Says that a block of ranks missed this shard: counts as +0.0, really added, so the bits are those of an explicit all-zero block.</summary>
    /// <exception cref="ArgumentException">The range is not a block.</exception>
    /// <exception cref="ContributionMismatchException">The block was there already, with values other than +0.0.</exception>
    public ContributionOutcome ContributeMarker(RankRange block)
    {
        ReductionTree.Require(block, _virtualRanks);
        return Join(block, default, isMarker: true, _zeroDigest.Value);
    }

    /// <summary>The ranks that no accepted contribution covers, as maximal ranges in ascending order. <see cref="ReductionTree.Blocks"/> cuts them into blocks.</summary>
    public IReadOnlyList<RankRange> Missing()
    {
        lock (_gate)
        {
            var missing = new List<RankRange>();
            int covered = 0;
            foreach (var block in _nodes.Keys.OrderBy(block => block.Lo))
            {
                if (block.Lo > covered) missing.Add(new RankRange(covered, block.Lo));
                covered = block.Hi;
            }
            if (covered < _virtualRanks) missing.Add(new RankRange(covered, _virtualRanks));
            return missing;
        }
    }

    /// <summary>Forgets everything, for the next step. Waits for contributions that other threads are adding at this moment.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            while (_underWay > 0) Monitor.Wait(_gate);
            Clear();
        }
    }

    /// <summary>Hands the complete sum over to the caller, who returns it to the pool, and resets.</summary>
    /// <exception cref="InvalidOperationException">The sum is not complete.</exception>
    public NativeBuffer TakeSum()
    {
        lock (_gate)
        {
            while (_underWay > 0) Monitor.Wait(_gate);
            var sum = _sum ?? throw new InvalidOperationException($"The sum is not complete: {string.Join(", ", Missing())} are missing.");
            _nodes[_root].Sum = null;
            Clear();
            return sum;
        }
    }

    /// <summary>Returns all buffers to the pool.</summary>
    public void Dispose() => Reset();

    private ContributionOutcome Join(RankRange block, ReadOnlySpan<float> values, bool isMarker, UInt128 digest)
    {
        Node node;
        lock (_gate)
        {
            if (ReductionTree.SelfAndAncestors(block, _virtualRanks).Any(_nodes.ContainsKey))
            {
                RequireSame(block, digest);
                return ContributionOutcome.Duplicate;
            }
            ReplaceSmaller(block);
            _digests[block] = digest;
            _nodes[block] = node = new Node(block) { Busy = true };
            _underWay++;
        }
        try
        {
            return Climb(ref node, values, isMarker);
        }
        catch
        {
            // Only memory can run out here. What this thread held is lost; Missing() names it, so that it is contributed again.
            lock (_gate) Abandon(node);
            throw;
        }
        finally
        {
            lock (_gate)
            {
                _underWay--;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>Adds a busy node to its sibling while that is idle, its parent to the parent's sibling, and so on.</summary>
    /// <param name="node">In: the contributed block. Out: the node that this thread holds last.</param>
    /// <param name="values">The block's values, still in the caller's memory; unused for a marker.</param>
    /// <param name="isMarker">Whether the block is +0.0 everywhere.</param>
    private ContributionOutcome Climb(ref Node node, ReadOnlySpan<float> values, bool isMarker)
    {
        bool atCaller = !isMarker;
        while (true)
        {
            Node? sibling;
            Node held = node;
            lock (_gate)
            {
                if (node.Replaced)
                {
                    Release(node);
                    return ContributionOutcome.Accepted;
                }
                sibling = IdleSibling(node.Block);
                if (sibling is not null) node = Parent(node, sibling);
                else if (!atCaller && (node.Sum is not null || node.Block != _root)) return Publish(node);
            }
            if (sibling is not null)
            {
                Add(held, sibling, atCaller ? values : default, atCaller, node);
            }
            else
            {
                var copy = _pool.Rent(_length);
                if (atCaller) values.CopyTo(copy.Span);
                else copy.Clear();
                node.Sum = copy;
            }
            atCaller = false;
        }
    }

    /// <summary>parent = left + right, into a buffer of one of them. A missing buffer is +0.0 everywhere; two of them need no addition.</summary>
    private void Add(Node held, Node sibling, ReadOnlySpan<float> values, bool atCaller, Node parent)
    {
        bool heldIsZero = !atCaller && held.Sum is null;
        if (heldIsZero && sibling.Sum is null) return;
        var target = sibling.Sum ?? held.Sum ?? _pool.Rent(_length);
        // The parent owns the target from here on, so that nothing is lost or returned twice if something throws.
        var (first, second) = (held.Sum, sibling.Sum);
        (held.Sum, sibling.Sum, parent.Sum) = (null, null, target);
        var mine = atCaller ? values : first is null ? default : first.Span;
        if (heldIsZero) Summation.AddZero(second!.Span, target.Span);
        else if (second is null) Summation.AddZero(mine, target.Span);
        else if (held.Block.Lo < sibling.Block.Lo) Summation.Add(mine, second.Span, target.Span);
        else Summation.Add(second.Span, mine, target.Span);
        if (first is not null && !ReferenceEquals(first, target)) _pool.Return(first);
    }

    private Node? IdleSibling(RankRange block) =>
        block != _root && _nodes.TryGetValue(ReductionTree.Sibling(block, _virtualRanks), out var sibling) && !sibling.Busy ? sibling : null;

    private Node Parent(Node node, Node sibling)
    {
        _nodes.Remove(node.Block);
        _nodes.Remove(sibling.Block);
        var parent = new Node(ReductionTree.Parent(node.Block, _virtualRanks)) { Busy = true };
        _nodes[parent.Block] = parent;
        return parent;
    }

    private ContributionOutcome Publish(Node node)
    {
        node.Busy = false;
        if (node.Block != _root) return ContributionOutcome.Accepted;
        _sum = node.Sum;
        return ContributionOutcome.Completed;
    }

    /// <summary>Drops the smaller blocks inside a new one. A busy one is dropped by the thread that works on it.</summary>
    private void ReplaceSmaller(RankRange block)
    {
        foreach (var node in _nodes.Values.Where(node => block.Contains(node.Block)).ToList())
        {
            _nodes.Remove(node.Block);
            if (node.Busy) node.Replaced = true;
            else Release(node);
        }
    }

    /// <summary>Compares a duplicate with what is known of the same block: its first contribution, or the sum made here from its parts.</summary>
    private void RequireSame(RankRange block, UInt128 digest)
    {
        if (!_digests.TryGetValue(block, out var first))
        {
            if (!_nodes.TryGetValue(block, out var node) || node.Busy) return;
            first = node.Sum is null ? _zeroDigest.Value : Summation.Digest(node.Sum.Span);
        }
        if (first != digest) throw new ContributionMismatchException(block, first, digest);
    }

    private void Abandon(Node node)
    {
        Release(node);
        if (node.Replaced) return;
        _nodes.Remove(node.Block);
        foreach (var block in _digests.Keys.Where(node.Block.Contains).ToList()) _digests.Remove(block);
    }

    private void Clear()
    {
        foreach (var node in _nodes.Values) Release(node);
        _nodes.Clear();
        _digests.Clear();
        _sum = null;
    }

    private void Release(Node node)
    {
        if (node.Sum is null) return;
        _pool.Return(node.Sum);
        node.Sum = null;
    }

    private void RequireLength(ReadOnlySpan<float> values)
    {
        if (values.Length != _length) throw new ArgumentException($"The shard has {_length} values, found {values.Length}.", nameof(values));
    }

    private sealed class Node(RankRange block)
    {
        public RankRange Block { get; } = block;

        /// <summary>The block's sum; null means +0.0 everywhere (only markers so far), or not copied yet while busy.</summary>
        public NativeBuffer? Sum { get; set; }

        /// <summary>A thread works on it; nobody else may touch <see cref="Sum"/>.</summary>
        public bool Busy { get; set; }

        /// <summary>A larger block took its place while a thread was working on it; that thread drops it.</summary>
        public bool Replaced { get; set; }
    }
}
