namespace ElasticTrain.Data.Quality;

/// <summary>
/// What modified Kneser-Ney smoothing takes off the counts of one order: another amount from 1, from 2, and from 3 or more. Source: Chen and Goodman, "An empirical study of
/// smoothing techniques for language modeling", 1999, equation 26.
/// </summary>
/// <param name="One">Off a count of 1.</param>
/// <param name="Two">Off a count of 2.</param>
/// <param name="More">Off larger ones.</param>
public sealed record Discounts(double One, double Two, double More)
{
    /// <summary>Where a text is too small or too odd for the formula: KenLM's --discount_fallback.</summary>
    private static readonly Discounts Fallback = new(0.5, 1, 1.5);

    /// <summary>The discount of a count.</summary>
    internal double Of(int count) => count switch { 0 => 0, 1 => One, 2 => Two, _ => More };

    /// <summary>Estimates them from the numbers of n-grams that count 1, 2, 3 and 4.</summary>
    internal static Discounts Estimate(ReadOnlySpan<int> counts)
    {
        Span<long> n = stackalloc long[5];
        foreach (int count in counts)
            if (count is >= 1 and <= 4) n[count]++;
        if (n[1] == 0 || n[2] == 0 || n[3] == 0) return Fallback;
        double y = (double)n[1] / (n[1] + 2 * n[2]);
        var estimate = new Discounts(1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]);
        return estimate is { One: >= 0 and <= 1, Two: >= 0 and <= 2, More: >= 0 and <= 3 } ? estimate : Fallback;
    }
}
