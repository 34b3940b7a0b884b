namespace ElasticTrain.Data.Deduplication;

/// <summary>Disjoint sets of 0..n-1; a set's root is its smallest member.</summary>
internal sealed class UnionFind
{
    private readonly int[] _parents;

    internal UnionFind(int count)
    {
        _parents = new int[count];
        for (int i = 0; i < count; i++) _parents[i] = i;
    }

    /// <summary>The smallest member of a set.</summary>
    internal int Root(int member)
    {
        while (_parents[member] != member) member = _parents[member] = _parents[_parents[member]];
        return member;
    }

    /// <summary>Makes one set of two.</summary>
    internal void Join(int left, int right)
    {
        (left, right) = (Root(left), Root(right));
        _parents[Math.Max(left, right)] = Math.Min(left, right);
    }
}
