using System.Buffers.Binary;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>
/// Reads a corpus for the <see cref="TopicModel"/>: counts in how many documents each word stands, and keeps a sample of documents to calibrate with, those whose keys have the
/// smallest hashes. May be filled on several threads in any order. Memory: 1 MB of counts, at most 32 MB of sampled words.
/// </summary>
public sealed class TopicModelBuilder
{
    private const int SampleSize = 1024, SampledWords = 4096;

    private readonly Lock _turn = new();
    private readonly int[] _documentsWith = new int[TopicVectors.Dimensions];
    private readonly SortedSet<Sampled> _sample = [];
    private int _documents;

    /// <summary>Adds a document.</summary>
    /// <param name="key">No other document's.</param>
    /// <param name="text">UTF-8.</param>
    public void Add(string key, ReadOnlySpan<byte> text)
    {
        ulong[] words = TopicVectors.Words(text);
        var seen = new HashSet<int>();
        foreach (ulong word in words) seen.Add(TopicVectors.Dimension(word));
        foreach (int dimension in seen) Interlocked.Increment(ref _documentsWith[dimension]);
        Interlocked.Increment(ref _documents);
        if (words.Length < TopicModel.MinWords) return;
        Span<byte> hash = stackalloc byte[Digest256.Size];
        Digest256.Of(Encoding.UTF8.GetBytes(key)).CopyTo(hash);
        var sampled = new Sampled(BinaryPrimitives.ReadUInt64BigEndian(hash), key, words.Length <= SampledWords ? words : words[..SampledWords]);
        lock (_turn)
        {
            if (_sample.Count == SampleSize && sampled.CompareTo(_sample.Max) > 0) return;
            _sample.Add(sampled);
            if (_sample.Count > SampleSize) _sample.Remove(_sample.Max);
        }
    }

    /// <summary>Makes the model, calibrates it with one half of the sample and measures it on the other.</summary>
    public TopicModel Build()
    {
        var vectors = new TopicVectors(_documentsWith, _documents);
        ulong[][] sample = [.. _sample.Select(sampled => sampled.Words)];
        ulong[][] forCalibration = [.. sample.Where((_, i) => i % 2 == 0)], forMeasurement = [.. sample.Where((_, i) => i % 2 == 1)];
        return new TopicModel(vectors, TopicCalibration.Of(vectors, forCalibration), forMeasurement);
    }

    private readonly record struct Sampled(ulong Hash, string Key, ulong[] Words) : IComparable<Sampled>
    {
        public int CompareTo(Sampled other) => Hash != other.Hash ? Hash.CompareTo(other.Hash) : string.CompareOrdinal(Key, other.Key);
    }
}
