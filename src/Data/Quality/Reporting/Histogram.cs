namespace ElasticTrain.Data.Quality;

/// <summary>How often values fall between edges.</summary>
/// <param name="Title">What is counted, for example "Perplexity of documents".</param>
/// <param name="Unit">What the values are, for example "words".</param>
/// <param name="Edges">Ascending; one more than counts. A value belongs to the last bar whose lower edge it reaches.</param>
/// <param name="Counts">Of values below the first edge in the first, beyond the last one in the last.</param>
public sealed record Histogram(string Title, string Unit, IReadOnlyList<double> Edges, IReadOnlyList<long> Counts);

/// <summary>Counts values for a histogram. May be filled on several threads.</summary>
public sealed class HistogramBuilder
{
    private readonly string _title, _unit;
    private readonly double[] _edges;
    private readonly long[] _counts;

    /// <summary>An empty histogram.</summary>
    /// <param name="title">What is counted.</param>
    /// <param name="unit">What the values are.</param>
    /// <param name="edges">Ascending, two at least.</param>
    public HistogramBuilder(string title, string unit, params IReadOnlyList<double> edges)
    {
        if (edges.Count < 2 || Enumerable.Range(1, edges.Count - 1).Any(i => !(edges[i] > edges[i - 1]))) throw new ArgumentException("Two edges at least, ascending.", nameof(edges));
        (_title, _unit, _edges, _counts) = (title, unit, [.. edges], new long[edges.Count - 1]);
    }

    /// <summary>Edges at 1, 2 and 5 of every power of ten, from 1 to 10^<paramref name="decades"/>.</summary>
    public static HistogramBuilder Logarithmic(string title, string unit, int decades)
    {
        var edges = new List<double>();
        double power = 1;
        for (int i = 0; i < decades; i++, power *= 10) edges.AddRange([power, 2 * power, 5 * power]);
        return new HistogramBuilder(title, unit, [.. edges, power]);
    }

    /// <summary>Counts a value; what is no number is left out.</summary>
    public void Add(double value)
    {
        if (double.IsNaN(value)) return;
        int at = Array.BinarySearch(_edges, value);
        Interlocked.Increment(ref _counts[Math.Clamp(at < 0 ? ~at - 1 : at, 0, _counts.Length - 1)]);
    }

    /// <summary>What was counted so far; read it when no one adds.</summary>
    public Histogram Build() => new(_title, _unit, _edges, [.. _counts]);
}
