namespace ElasticTrain.Data.Quality;

/// <summary>
/// The counts that Kneser-Ney smoothing works with: of the longest n-grams how often they come, of shorter ones how many different words stand before them;
/// those that begin a sentence, before which nothing can stand, keep their own counts.
/// </summary>
internal static class NGramCounts
{
    /// <summary>The tables of orders 1 to <paramref name="order"/>; the beginning of a sentence is no unigram.</summary>
    /// <param name="words">Sentences, each from <see cref="Vocabulary.Begin"/> to <see cref="Vocabulary.End"/>.</param>
    /// <param name="order">The longest n-grams' words.</param>
    internal static NGramTable[] Of(ReadOnlySpan<int> words, int order)
    {
        var tables = new NGramTable[order];
        tables[order - 1] = Windows(words, order, onlyAtBegin: false);
        for (int n = order - 1; n >= 1; n--)
        {
            var suffixes = new NGramTableBuilder();
            foreach (UInt128 key in tables[n].Keys) suffixes.Add(NGramTable.Suffix(key, n + 1));
            tables[n - 1] = n == 1 ? suffixes.Finish() : NGramTable.Merge(suffixes.Finish(), Windows(words, n, onlyAtBegin: true));
        }
        return tables;
    }

    private static NGramTable Windows(ReadOnlySpan<int> words, int order, bool onlyAtBegin)
    {
        var builder = new NGramTableBuilder();
        UInt128 key = 0;
        // Words since the sentence began.
        int length = 0;
        foreach (int word in words)
        {
            length = word == Vocabulary.Begin ? 1 : length + 1;
            key = NGramTable.Suffix(NGramTable.Append(key, word), order + 1);
            if (length < order || (onlyAtBegin && length > order) || (order == 1 && word == Vocabulary.Begin)) continue;
            builder.Add(key);
        }
        return builder.Finish();
    }
}
