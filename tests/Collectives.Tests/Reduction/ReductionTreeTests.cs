using ElasticTrain.Core;
using FsCheck.Xunit;

namespace ElasticTrain.Collectives.Tests.Reduction;

public sealed class ReductionTreeTests
{
    [Fact]
    public void The_blocks_of_twelve_ranks_are_the_nodes_of_the_tree()
    {
        var found = Ranges(12).Where(range => ReductionTree.IsBlock(range, 12)).ToHashSet();
        var expected = new HashSet<RankRange>();
        for (int size = 1; size <= 16; size *= 2)
        {
            for (int lo = 0; lo < 12; lo += size) expected.Add(new RankRange(lo, Math.Min(lo + size, 12)));
        }
        Assert.Equal(expected, found);
    }

    [Property(MaxTest = 200)]
    public void Every_block_but_the_root_is_a_child_of_its_parent(byte v)
    {
        int virtualRanks = 1 + v % 40;
        foreach (var block in Ranges(virtualRanks).Where(range => ReductionTree.IsBlock(range, virtualRanks)))
        {
            if (block == ReductionTree.Root(virtualRanks)) continue;
            var parent = ReductionTree.Parent(block, virtualRanks);
            var (left, right) = ReductionTree.Children(parent, virtualRanks);
            Assert.True(parent.Contains(block) && parent.Count > block.Count);
            Assert.Contains(block, new[] { left, right });
            Assert.Equal((parent.Lo, left.Hi, parent.Hi), (left.Lo, right.Lo, right.Hi));
            Assert.Equal(block == left ? right : left, ReductionTree.Sibling(block, virtualRanks));
            Assert.Equal(ReductionTree.Root(virtualRanks), ReductionTree.SelfAndAncestors(block, virtualRanks).Last());
        }
    }

    [Property(MaxTest = 200)]
    public void Any_range_is_cut_into_neighbouring_blocks_none_of_which_could_be_larger(byte v)
    {
        int virtualRanks = 1 + v % 40;
        foreach (var range in Ranges(virtualRanks))
        {
            var blocks = ReductionTree.Blocks(range, virtualRanks).ToList();
            int at = range.Lo;
            foreach (var block in blocks)
            {
                Assert.True(ReductionTree.IsBlock(block, virtualRanks));
                Assert.Equal(at, block.Lo);
                Assert.DoesNotContain(Ranges(virtualRanks), other =>
                    other.Lo == block.Lo && other.Hi > block.Hi && other.Hi <= range.Hi && ReductionTree.IsBlock(other, virtualRanks));
                at = block.Hi;
            }
            Assert.Equal(range.Hi, at);
        }
    }

    [Theory]
    [InlineData(0, 5, 2, 0, 2)]
    [InlineData(0, 12, 12, 0, 12)]
    [InlineData(8, 12, 3, 8, 10)]
    [InlineData(8, 12, 4, 8, 12)]
    [InlineData(3, 12, 9, 3, 4)]
    public void The_largest_block_stays_inside_its_range_and_its_limit(int lo, int hi, int most, int expectedLo, int expectedHi) =>
        Assert.Equal(new RankRange(expectedLo, expectedHi), ReductionTree.LargestBlock(new RankRange(lo, hi), most, 12));

    [Fact]
    public void A_range_that_is_no_block_is_refused_and_the_message_cuts_it_into_blocks()
    {
        using var pool = new BufferPool();
        using var reducer = new TreeReducer(12, 1, pool);
        var error = Assert.Throws<ArgumentException>(() => reducer.Contribute(new RankRange(1, 4), [1f]));
        Assert.Contains("[1, 4)", error.Message);
        Assert.Contains("[1, 2) and [2, 4)", error.Message);
        Assert.Throws<ArgumentException>(() => reducer.Contribute(new RankRange(8, 16), [1f]));
        Assert.Throws<ArgumentException>(() => reducer.ContributeMarker(new RankRange(0, 0)));
    }

    private static IEnumerable<RankRange> Ranges(int virtualRanks) =>
        from lo in Enumerable.Range(0, virtualRanks)
        from hi in Enumerable.Range(lo + 1, virtualRanks - lo)
        select new RankRange(lo, hi);
}
