using ElasticTrain.Core;

namespace ElasticTrain.Data.Deduplication;

/// <summary>What near duplicates are and how they are looked for.</summary>
public sealed record MinHashOptions
{
    /// <summary>Words per shingle. Default of datatrove and of FineWeb (Penedo et al. 2024, section 3.4): 5.</summary>
    public int ShingleWords { get; init; } = 5;

    /// <summary>Bands of the signature. Default of datatrove and of FineWeb: 14.</summary>
    public int Bands { get; init; } = 14;

    /// <summary>Hashes per band. Default of datatrove and of FineWeb: 8.</summary>
    public int Rows { get; init; } = 8;

    /// <summary>From this Jaccard similarity of their shingles on, two documents are duplicates.</summary>
    public double Threshold { get; init; } = 0.8;

    /// <summary>At least this share of the pairs at the threshold must become candidates; see <see cref="CandidateRows"/>.</summary>
    public double CandidateRecall { get; init; } = 0.99;

    /// <summary>Chooses the hash functions.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Hashes of a signature.</summary>
    public int Hashes => Bands * Rows;

    /// <summary>
    /// Rows of the bands that candidates are looked for with: at most <see cref="Rows"/>, and so many that a pair at the threshold t agrees in one of the
    /// h / r bands at least with probability <see cref="CandidateRecall"/>, 1 - (1 - t^r)^(h / r). With 14 bands of 8 a pair at 0.8 would be missed in 7.6
    /// of 100 cases; the same 112 hashes as 18 bands of 6 miss 0.4. What comes up for nothing is turned away by verification. Source of the formula:
    /// Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4.2.
    /// </summary>
    public int CandidateRows
    {
        get
        {
            for (int rows = Rows; rows > 1; rows--)
                if (ChanceOfCandidate(Threshold, rows) >= CandidateRecall) return rows;
            return 1;
        }
    }

    /// <summary>Bands that candidates are looked for with.</summary>
    public int CandidateBands => Hashes / CandidateRows;

    /// <summary>The probability that a pair becomes a candidate.</summary>
    /// <param name="similarity">Its Jaccard similarity.</param>
    public double ChanceOfCandidate(double similarity) => ChanceOfCandidate(similarity, CandidateRows);

    /// <summary>Throws unless the options can be used.</summary>
    /// <exception cref="BadInputException">A value is out of its range.</exception>
    public void Validate()
    {
        Check(ShingleWords is >= 1 and <= 64, "words per shingle", $"{ShingleWords}", "1 to 64");
        Check(Bands is >= 1 and <= 1024, "bands", $"{Bands}", "1 to 1024");
        Check(Rows is >= 1 and <= 64, "rows per band", $"{Rows}", "1 to 64");
        Check(Threshold is > 0 and <= 1, "similarity threshold", FormattableString.Invariant($"{Threshold}"), "above 0, at most 1");
        Check(CandidateRecall is > 0 and < 1, "candidate recall", FormattableString.Invariant($"{CandidateRecall}"), "between 0 and 1");

        static void Check(bool isRight, string name, string found, string expected)
        {
            if (!isRight) throw new BadInputException($"deduplication: {name}", found, expected);
        }
    }

    private double ChanceOfCandidate(double similarity, int rows)
    {
        (double agree, double none) = (1, 1);
        for (int i = 0; i < rows; i++) agree *= similarity;
        for (int i = 0; i < Hashes / rows; i++) none *= 1 - agree;
        return 1 - none;
    }
}
