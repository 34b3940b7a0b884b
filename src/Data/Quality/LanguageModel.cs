namespace ElasticTrain.Data.Quality;

/// <summary>
/// An n-gram model of words with modified Kneser-Ney smoothing. Words are in lower case, without punctuation, with all digits as one; sentences end at . ! ? before white
/// space, at their wide forms and at empty lines, and at the document's end. Objects may be used on several threads.
/// </summary>
public sealed class LanguageModel
{
    private readonly NGramLevel[] _levels;

    internal LanguageModel(string reference, long words, Vocabulary vocabulary, NGramLevel[] levels, IReadOnlyList<Discounts> discounts)
    {
        (Reference, ReferenceWords, Vocabulary, _levels, Discounts) = (reference, words, vocabulary, levels, discounts);
    }

    /// <summary>What it was learned from, as it was called then.</summary>
    public string Reference { get; }

    /// <summary>Words of the reference.</summary>
    public long ReferenceWords { get; }

    /// <summary>Words of the longest n-grams.</summary>
    public int Order => _levels.Length;

    /// <summary>Different words, without the unknown one and the ends of sentences.</summary>
    public int VocabularySize => Vocabulary.Hashes.Length;

    /// <summary>Discounts of each order.</summary>
    public IReadOnlyList<Discounts> Discounts { get; }

    internal Vocabulary Vocabulary { get; }

    internal ReadOnlySpan<NGramLevel> Levels => _levels;

    /// <summary>N-grams of one order.</summary>
    public int Count(int order) => _levels[order - 1].Count;

    /// <summary>Scores a document.</summary>
    /// <param name="text">UTF-8.</param>
    public TextScore Score(ReadOnlySpan<byte> text)
    {
        Span<int> contexts = stackalloc int[LanguageModelOptions.MaxOrder];
        bool open = false;
        (double log, long words, long sentences, long unknown) = (0, 0, 0, 0);
        var scanner = Vocabulary.Scan(text);
        while (scanner.MoveNext())
        {
            if (!open || scanner.SentenceEnded)
            {
                if (open) log += Next(contexts, Vocabulary.End);
                Begin(contexts);
                sentences++;
                open = true;
            }
            int id = Vocabulary.Id(scanner.Word);
            if (id == Vocabulary.Unknown) unknown++;
            words++;
            log += Next(contexts, id);
        }
        if (open) log += Next(contexts, Vocabulary.End);
        return new TextScore(log, words, sentences, unknown);
    }

    /// <summary>The natural logarithm of the probability of a word after others.</summary>
    /// <param name="context">Ids of the words before it, the nearest last; any number.</param>
    /// <param name="word">Its id.</param>
    internal double LogProbability(ReadOnlySpan<int> context, int word)
    {
        Span<int> contexts = stackalloc int[LanguageModelOptions.MaxOrder];
        contexts.Fill(-1);
        foreach (int one in context) _ = Next(contexts, one);
        return Next(contexts, word);
    }

    private static void Begin(Span<int> contexts)
    {
        contexts.Fill(-1);
        contexts[0] = Vocabulary.Begin;
    }

    /// <summary>
    /// The logarithm of the next word's probability, and one word further: contexts[k] is the place of the last k + 1 words in their order, or -1.
    /// </summary>
    private double Next(Span<int> contexts, int word)
    {
        // The longest n-gram that is known gives the probability; every known context beyond it leaves something to the shorter one.
        double log = 0;
        bool found = false;
        for (int k = _levels.Length - 2; k >= 0; k--)
        {
            int context = contexts[k];
            int node = context < 0 ? -1 : _levels[k].Child(context, word, _levels[k + 1]);
            if (!found && node >= 0)
            {
                log += _levels[k + 1].LogProbabilities[node];
                found = true;
            }
            else if (!found && context >= 0) log += _levels[k].LogBackoffs[context];
            contexts[k + 1] = node;
        }
        contexts[0] = word;
        return found ? log : log + _levels[0].LogProbabilities[word];
    }
}
