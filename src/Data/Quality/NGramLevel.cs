namespace ElasticTrain.Data.Quality;

/// <summary>The n-grams of one order, sorted: children of one (n-1)-gram stand together, by their last word's id. 12 bytes each, 16 where longer ones follow.</summary>
internal sealed class NGramLevel
{
    internal NGramLevel(int count, bool isLast)
    {
        Words = new int[count];
        LogProbabilities = new float[count];
        LogBackoffs = isLast ? [] : new float[count];
        FirstChild = isLast ? [] : new int[count + 1];
    }

    internal NGramLevel(int[] words, float[] logProbabilities, float[] logBackoffs, int[] firstChild) =>
        (Words, LogProbabilities, LogBackoffs, FirstChild) = (words, logProbabilities, logBackoffs, firstChild);

    /// <summary>The last word of each; of unigrams, which stand at their ids, nothing.</summary>
    internal int[] Words { get; }

    /// <summary>Natural logarithm of the interpolated probability.</summary>
    internal float[] LogProbabilities { get; }

    /// <summary>Natural logarithm of what is left to the shorter context.</summary>
    internal float[] LogBackoffs { get; }

    /// <summary>Where the children begin in the next order; those of the last end at the last entry.</summary>
    internal int[] FirstChild { get; }

    internal int Count => Words.Length;

    /// <summary>The place in the next order of an n-gram with one word more, -1 if there is none.</summary>
    internal int Child(int node, int word, NGramLevel next)
    {
        (int from, int to) = (FirstChild[node], FirstChild[node + 1]);
        int found = next.Words.AsSpan(from, to - from).BinarySearch(word);
        return found < 0 ? -1 : from + found;
    }
}
