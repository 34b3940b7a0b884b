using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>
/// Texts that do not hold together, made of two documents: the second is the one of four that is least like the first. Where one ends and the
/// other begins lies between a quarter and three quarters. Beside each a piece of one document of the same length.
/// </summary>
internal static class Concatenations
{
    private const int Candidates = 4, LeastDocuments = 8;

    /// <summary>Makes pairs; none if fewer than eight documents are long enough.</summary>
    /// <param name="vectors">Say what is alike.</param>
    /// <param name="documents">Words of documents.</param>
    /// <param name="least">Words of the shortest texts; the longest have nearly twice as many.</param>
    /// <param name="count">Pairs.</param>
    /// <param name="purpose">Draws others than any other purpose.</param>
    internal static IEnumerable<(ulong[] Genuine, ulong[] Mixed)> Make(TopicVectors vectors, ulong[][] documents, int least, int count, string purpose)
    {
        ulong key = CounterRandom.Key((ulong)least, purpose);
        for (int i = 0; i < count; i++)
        {
            ulong draw = 0;
            int words = least + Next(least);
            ulong[][] usable = [.. documents.Where(document => document.Length >= words)];
            if (usable.Length < LeastDocuments) continue;
            ulong[] first = usable[Next(usable.Length)], second = first;
            double similarity = double.PositiveInfinity;
            for (int candidate = 0; candidate < Candidates; candidate++)
            {
                ulong[] other = usable[Next(usable.Length)];
                if (ReferenceEquals(other, first)) continue;
                double one = vectors.Similarity(first.AsSpan(0, words), other.AsSpan(0, words));
                if (one < similarity) (similarity, second) = (one, other);
            }
            if (ReferenceEquals(first, second)) continue;
            int cut = words / 4 + Next(words / 2);
            yield return (Piece(first, words), [.. Piece(first, cut), .. Piece(second, words - cut)]);

            int Next(int bound) => (int)(CounterRandom.Bits(key, (ulong)i, draw++) % (ulong)bound);

            ulong[] Piece(ulong[] document, int length)
            {
                int from = Next(document.Length - length + 1);
                return document[from..(from + length)];
            }
        }
    }
}
