using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>The pages of the segments of one flat buffer. Segments lie next to each other, so that a page may belong to two or more.</summary>
/// <param name="segments">All segments, in layout order.</param>
public sealed class PagedSegments(IReadOnlyList<ParameterSegment> segments)
{
    private readonly (long First, long End)[] _pages =
        [.. segments.Select(s => (s.Offset * sizeof(float) / ReservedMemory.PageBytes, (((s.Offset + s.Length) * sizeof(float)) + ReservedMemory.PageBytes - 1) / ReservedMemory.PageBytes))];

    /// <summary>The pages that a segment lies on.</summary>
    public (long First, long Count) Of(int segment) => (_pages[segment].First, _pages[segment].End - _pages[segment].First);

    /// <summary>Bytes of the pages that a segment lies on.</summary>
    public long Bytes(int segment) => Of(segment).Count * ReservedMemory.PageBytes;

    /// <summary>The pages that only one segment lies on among those that <paramref name="isHeld"/> names; the count may be 0.</summary>
    public (long First, long Count) Only(int segment, Func<int, bool> isHeld)
    {
        var (first, end) = _pages[segment];
        for (int i = 0; i < _pages.Length; i++)
        {
            if (i == segment || !isHeld(i)) continue;
            if (i < segment) first = Math.Max(first, _pages[i].End);
            else end = Math.Min(end, _pages[i].First);
        }
        return (first, Math.Max(0, end - first));
    }
}
