namespace ElasticTrain.Data.Quality;

/// <summary>
/// Says whether a document keeps to its topic. Its windows (8 to 32) are TF-IDF vectors; it is cut where its sides are least alike, and windows are compared with the other
/// side's centroid and with their own's. The consistency is the share of concatenations of unlike documents of the corpus that would hold together less well: 0.8 means better than
/// four of five of those. Objects may be used on several threads.
/// </summary>
public sealed class TopicModel
{
    /// <summary>Documents with fewer words are not judged.</summary>
    public const int MinWords = 100;

    private const int MeasuredPairs = 200;

    private readonly TopicVectors _vectors;
    private readonly TopicCalibration _calibration;

    internal TopicModel(TopicVectors vectors, TopicCalibration calibration, ulong[][] heldOut)
    {
        (_vectors, _calibration) = (vectors, calibration);
        Auc = IsUsable ? Measure(heldOut) : null;
    }

    /// <summary>False if the corpus has too few documents to say what unlike ones are: eight of some length, twice.</summary>
    public bool IsUsable => _calibration.IsUsable;

    /// <summary>
    /// How well consistency tells documents from concatenations, on documents that it was not calibrated with; null if there are too few. A low value says that the
    /// corpus has one topic only, so that the gate means little.
    /// </summary>
    public TopicAuc? Auc { get; }

    /// <summary>The consistency of a document, 0 to 1; null if it is too short or the model not usable.</summary>
    /// <param name="text">UTF-8.</param>
    public double? Consistency(ReadOnlySpan<byte> text) => Consistency(TopicVectors.Words(text));

    /// <summary>Measures how well consistency tells given documents from concatenations of them.</summary>
    /// <param name="documents">Texts in UTF-8, in an order of the caller's; the result depends on it.</param>
    /// <returns>Null if there are too few long enough.</returns>
    public TopicAuc? Measure(IEnumerable<ReadOnlyMemory<byte>> documents) =>
        IsUsable ? Measure([.. documents.Select(document => TopicVectors.Words(document.Span))]) : null;

    private TopicAuc? Measure(ulong[][] documents)
    {
        var (genuine, mixed) = (new List<double>(), new List<double>());
        for (int bucket = 0; bucket < TopicCalibration.Buckets; bucket++)
        {
            foreach (var pair in Concatenations.Make(_vectors, documents, TopicCalibration.Least(bucket), MeasuredPairs, "topic-measurement/1"))
            {
                genuine.Add(Consistency(pair.Genuine)!.Value);
                mixed.Add(Consistency(pair.Mixed)!.Value);
            }
        }
        return genuine.Count == 0 ? null : new TopicAuc(RocArea.Of(genuine, mixed), genuine.Count);
    }

    private double? Consistency(ulong[] words) =>
        words.Length < MinWords || !IsUsable ? null : _calibration.Consistency(_vectors.Coherence(words), words.Length);
}

/// <summary>How well two kinds of texts are told apart.</summary>
/// <param name="Area">The area under the ROC curve: 1 always, 0.5 by chance.</param>
/// <param name="Pairs">Documents, and as many concatenations.</param>
public sealed record TopicAuc(double Area, int Pairs);

/// <summary>Adds up documents' consistencies; the sum is the same in any order, for it is made of integers.</summary>
public sealed class TopicTally
{
    private const double Unit = 1 << 20;

    private long _sum, _documents;

    /// <summary>Documents that were judged.</summary>
    public long Documents => _documents;

    /// <summary>The mean, null without documents; read it when no one adds.</summary>
    public double? Mean => _documents == 0 ? null : _sum / Unit / _documents;

    /// <summary>Adds a document; one that was not judged does not count. May be called on several threads.</summary>
    public void Add(double? consistency)
    {
        if (consistency is not { } value) return;
        Interlocked.Add(ref _sum, (long)Math.Round(value * Unit));
        Interlocked.Increment(ref _documents);
    }
}
