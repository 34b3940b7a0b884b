namespace ElasticTrain.Data.Quality;

/// <summary>
/// Turns coherence, which depends on a text's length and on the corpus, into the share of concatenations of unlike documents of about the same length that hold together
/// less: 0 to 1. The mean over genuine documents is then the area under the ROC curve.
/// </summary>
internal sealed class TopicCalibration
{
    internal const int Buckets = 5;
    private const int PerBucket = 400;

    private readonly double[][] _mixed;

    private TopicCalibration(double[][] mixed) => _mixed = mixed;

    /// <summary>Whether there were enough documents for any length.</summary>
    internal bool IsUsable => _mixed.Any(bucket => bucket.Length > 0);

    internal static TopicCalibration Of(TopicVectors vectors, ulong[][] documents)
    {
        double[][] mixed = new double[Buckets][];
        for (int bucket = 0; bucket < Buckets; bucket++)
        {
            mixed[bucket] = [.. Concatenations.Make(vectors, documents, Least(bucket), PerBucket, "topic-calibration/1").Select(pair => vectors.Coherence(pair.Mixed))];
            Array.Sort(mixed[bucket]);
        }
        return new TopicCalibration(mixed);
    }

    /// <summary>Words of a bucket's shortest texts: 100, 200, 400, 800, 1600.</summary>
    internal static int Least(int bucket) => TopicModel.MinWords << bucket;

    /// <summary>The share of concatenations that hold together less, those that do just as much counted half; of the nearest length that there were documents for.</summary>
    internal double Consistency(double coherence, int words)
    {
        int bucket = Math.Clamp(System.Numerics.BitOperations.Log2((uint)(words / TopicModel.MinWords)), 0, Buckets - 1);
        while (bucket > 0 && _mixed[bucket].Length == 0) bucket--;
        while (_mixed[bucket].Length == 0) bucket++;
        double[] mixed = _mixed[bucket];
        int below = Bound(mixed, coherence, equalIsBelow: false), notAbove = Bound(mixed, coherence, equalIsBelow: true);
        return (below + notAbove) / (2.0 * mixed.Length);
    }

    private static int Bound(double[] sorted, double value, bool equalIsBelow)
    {
        (int from, int to) = (0, sorted.Length);
        while (from < to)
        {
            int middle = (from + to) / 2;
            if (sorted[middle] < value || (equalIsBelow && sorted[middle] == value)) from = middle + 1;
            else to = middle;
        }
        return from;
    }
}
