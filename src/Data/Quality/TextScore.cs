using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>What a language model thinks of a text.</summary>
/// <param name="LogProbability">Natural logarithm of the probability of all words and sentence ends.</param>
/// <param name="Words">Words.</param>
/// <param name="Sentences">Sentences, each of which has an end that is predicted too.</param>
/// <param name="Unknown">Words that the reference does not have.</param>
public readonly record struct TextScore(double LogProbability, long Words, long Sentences, long Unknown)
{
    /// <summary>Predictions: words and sentence ends, as KenLM and SRILM count them.</summary>
    public long Predictions => Words + Sentences;

    /// <summary>exp(-log p / predictions), null for a text without words.</summary>
    public double? Perplexity => Words == 0 ? null : DeterministicMath.Exp(-LogProbability / Predictions);
}

/// <summary>Adds up scores of documents; the sum is the same in any order, for it is made of integers.</summary>
public sealed class PerplexityTally
{
    // 2^-20 nats: 10^12 predictions of 8 nats fit.
    private const double Unit = 1 << 20;

    private long _log, _words, _sentences, _unknown;

    /// <summary>Adds a document. May be called on several threads.</summary>
    public void Add(TextScore score)
    {
        Interlocked.Add(ref _log, (long)Math.Round(score.LogProbability * Unit));
        Interlocked.Add(ref _words, score.Words);
        Interlocked.Add(ref _sentences, score.Sentences);
        Interlocked.Add(ref _unknown, score.Unknown);
    }

    /// <summary>The score of all documents together; read it when no one adds.</summary>
    public TextScore Total => new(_log / Unit, _words, _sentences, _unknown);
}
