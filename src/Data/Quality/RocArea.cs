namespace ElasticTrain.Data.Quality;

/// <summary>The area under the ROC curve: the probability that a positive has the higher score of a pair, equal scores counted half (Mann and Whitney).</summary>
public static class RocArea
{
    /// <summary>Computes it from integers only.</summary>
    /// <exception cref="ArgumentException">One side is empty.</exception>
    public static double Of(IReadOnlyCollection<double> positives, IReadOnlyCollection<double> negatives)
    {
        if (positives.Count == 0 || negatives.Count == 0) throw new ArgumentException("No pair of a positive and a negative.");
        (double Score, bool IsPositive)[] all = [.. positives.Select(score => (score, true)), .. negatives.Select(score => (score, false))];
        Array.Sort(all, (a, b) => a.Score.CompareTo(b.Score));
        // Twice the pairs won: two for each negative below, one for each that is equal.
        (long won, long below) = (0, 0);
        for (int from = 0, to; from < all.Length; from = to)
        {
            (long up, long down) = (0, 0);
            for (to = from; to < all.Length && all[to].Score == all[from].Score; to++)
            {
                if (all[to].IsPositive) up++;
                else down++;
            }
            won += up * (2 * below + down);
            below += down;
        }
        return won / (2.0 * positives.Count * negatives.Count);
    }
}
