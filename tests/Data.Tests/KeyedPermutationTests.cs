using FsCheck;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests;

public sealed class KeyedPermutationTests
{
    [Property(MaxTest = 200)]
    public bool Every_index_is_hit_once_for_any_size_and_key(ulong key, PositiveInt size)
    {
        int count = size.Get % 5000 + 1;
        var permutation = new KeyedPermutation(key, count);
        bool[] hit = new bool[count];
        for (int i = 0; i < count; i++) hit[permutation.Map(i)] = true;
        return Array.TrueForAll(hit, value => value);
    }

    [Property(MaxTest = 500)]
    public bool The_inverse_undoes_the_map_for_sizes_up_to_2_to_the_62(ulong key, ulong size, ulong index)
    {
        long count = (long)(size % (1UL << 62)) + 1, value = (long)(index % (ulong)count);
        var permutation = new KeyedPermutation(key, count);
        long image = permutation.Map(value);
        return image >= 0 && image < count && permutation.Inverse(image) == value;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(127)]
    [InlineData(257)]
    [InlineData(65_536)]
    [InlineData(65_537)]
    public void Small_sizes_primes_and_powers_of_two_are_permuted(int count)
    {
        for (ulong key = 0; key < 3; key++)
        {
            var permutation = new KeyedPermutation(key, count);
            Assert.Equal(count, Enumerable.Range(0, count).Select(i => permutation.Map(i)).Distinct().Count());
        }
    }

    [Fact]
    public void Every_order_of_a_small_set_comes_up()
    {
        var orders = Enumerable.Range(0, 2000)
            .Select(key => new KeyedPermutation((ulong)key, 4))
            .GroupBy(permutation => string.Concat(Enumerable.Range(0, 4).Select(i => permutation.Map(i))))
            .ToDictionary(group => group.Key, group => group.Count());
        Assert.Equal(24, orders.Count);
        Assert.All(orders.Values, count => Assert.InRange(count, 30, 170));
    }

    [Fact]
    public void Neighbours_do_not_stay_neighbours()
    {
        const int Count = 10_007;
        var permutation = new KeyedPermutation(42, Count);
        int adjacent = Enumerable.Range(0, Count - 1).Count(i => Math.Abs(permutation.Map(i) - permutation.Map(i + 1)) == 1);
        Assert.InRange(adjacent, 0, 12);
        Assert.InRange(Enumerable.Range(0, Count).Count(i => permutation.Map(i) == i), 0, 8);
    }

    [Fact]
    public void The_permutation_never_changes_between_versions()
    {
        var permutation = new KeyedPermutation(12345, 1000);
        Assert.Equal(KnownOrder, Enumerable.Range(0, 8).Select(i => permutation.Map(i)));
    }

    [Fact]
    public void Indices_outside_are_refused()
    {
        var permutation = new KeyedPermutation(1, 10);
        Assert.Throws<ArgumentOutOfRangeException>(() => permutation.Map(10));
        Assert.Throws<ArgumentOutOfRangeException>(() => permutation.Map(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => permutation.Inverse(10));
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyedPermutation(1, 0));
    }

    // Stored runs depend on these values: a change here makes every journal unverifiable. Computed by an independent Python program.
    private static readonly long[] KnownOrder = [174, 185, 245, 611, 832, 187, 955, 210];
}
