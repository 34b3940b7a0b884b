namespace ElasticTrain.Data.Quality;

/// <summary>
/// Turns counts into interpolated modified Kneser-Ney probabilities (Chen and Goodman 1999, section 4.1.6): p(w | h) = (c(h w) - D(c)) / c(h) + g(h) p(w | h'), where h' lacks the
/// first word of h, g(h) is what the discounts left over, and below the unigrams every word, the unknown one included, has the same probability. So an unknown word
/// costs what the unigrams' discounts left, divided by the number of words: KenLM's treatment.
/// </summary>
internal sealed class KneserNeyBuilder
{
    private readonly Vocabulary _vocabulary;
    private readonly NGramTable[] _tables;
    private readonly LanguageModelOptions _options;
    private readonly Discounts[] _discounts;
    private readonly NGramLevel[] _levels;
    private readonly double[][] _probabilities, _backoffs;

    internal KneserNeyBuilder(Vocabulary vocabulary, NGramTable[] tables, LanguageModelOptions options)
    {
        (_vocabulary, _tables, _options) = (vocabulary, tables, options);
        _discounts = [.. tables.Select(table => Discounts.Estimate(table.Counts))];
        (_levels, _probabilities, _backoffs) = (new NGramLevel[tables.Length], new double[tables.Length][], new double[tables.Length][]);
    }

    internal LanguageModel Build(string reference, long words)
    {
        bool[][] kept = Kept();
        Unigrams();
        UInt128[] parents = [.. Enumerable.Range(0, _vocabulary.Count).Select(word => (UInt128)(uint)word)];
        for (int order = 2; order <= _tables.Length; order++) parents = Level(order, parents, kept[order - 1]);
        for (int level = 0; level < _levels.Length; level++)
        {
            for (int i = 0; i < _probabilities[level].Length; i++)
            {
                // The beginning of a sentence is never predicted.
                if (_probabilities[level][i] > 0) _levels[level].LogProbabilities[i] = (float)Logarithm.Of(_probabilities[level][i]);
                if (level < _levels.Length - 1) _levels[level].LogBackoffs[i] = (float)Logarithm.Of(_backoffs[level][i]);
            }
        }
        return new LanguageModel(reference, words, _vocabulary, _levels, _discounts);
    }

    /// <summary>Which n-grams stay. One that a longer one begins with stays with it, for the longer one is found through it.</summary>
    private bool[][] Kept()
    {
        var kept = new bool[_tables.Length][];
        for (int order = _tables.Length; order >= 1; order--)
        {
            NGramTable table = _tables[order - 1];
            bool isPruned = order >= _options.PruneSingletonsFrom;
            kept[order - 1] = [.. table.Counts.Select(count => !isPruned || count > 1)];
            if (!isPruned || order == _tables.Length) continue;
            NGramTable longer = _tables[order];
            for (int i = 0, at = 0; i < longer.Count; i++)
            {
                if (!kept[order][i]) continue;
                UInt128 prefix = NGramTable.Prefix(longer.Keys[i]);
                while (table.Keys[at] < prefix) at++;
                kept[order - 1][at] = true;
            }
        }
        return kept;
    }

    private void Unigrams()
    {
        NGramTable table = _tables[0];
        Discounts discounts = _discounts[0];
        (long total, double left) = (0, 0);
        foreach (int count in table.Counts)
        {
            total += count;
            left += discounts.Of(count);
        }
        // All ids but the beginning of a sentence.
        double equal = left / total / (_vocabulary.Count - 1);
        double[] probabilities = new double[_vocabulary.Count];
        Array.Fill(probabilities, equal);
        probabilities[Vocabulary.Begin] = 0;
        for (int i = 0; i < table.Count; i++) probabilities[(int)table.Keys[i]] += (table.Counts[i] - discounts.Of(table.Counts[i])) / total;
        _probabilities[0] = probabilities;
        _levels[0] = new NGramLevel(_vocabulary.Count, isLast: _tables.Length == 1);
        NewBackoffs(0, _vocabulary.Count);
    }

    /// <summary>Fills one order and links it to the one before; returns its keys.</summary>
    private UInt128[] Level(int order, UInt128[] parents, bool[] kept)
    {
        NGramTable table = _tables[order - 1];
        Discounts discounts = _discounts[order - 1];
        int count = kept.Count(isKept => isKept);
        var level = _levels[order - 1] = new NGramLevel(count, isLast: order == _tables.Length);
        double[] probabilities = _probabilities[order - 1] = new double[count];
        UInt128[] keys = new UInt128[count];
        int[] first = _levels[order - 2].FirstChild;
        (int parent, int at) = (0, 0);
        for (int from = 0, to; from < table.Count; from = to)
        {
            UInt128 prefix = NGramTable.Prefix(table.Keys[from]);
            (long total, double left) = (0, 0);
            for (to = from; to < table.Count && NGramTable.Prefix(table.Keys[to]) == prefix; to++)
            {
                total += table.Counts[to];
                left += kept[to] ? discounts.Of(table.Counts[to]) : table.Counts[to];
            }
            while (parent < parents.Length && parents[parent] < prefix) first[++parent] = at;
            if (parent == parents.Length || parents[parent] != prefix) continue;
            _backoffs[order - 2][parent] = left / total;
            for (int i = from; i < to; i++)
            {
                if (!kept[i]) continue;
                double own = (table.Counts[i] - discounts.Of(table.Counts[i])) / total;
                (keys[at], level.Words[at]) = (table.Keys[i], NGramTable.WordFromEnd(table.Keys[i], 0));
                probabilities[at++] = own + left / total * Shorter(table.Keys[i], order - 1);
            }
        }
        while (parent < parents.Length) first[++parent] = at;
        NewBackoffs(order - 1, count);
        return keys;
    }

    private void NewBackoffs(int level, int count)
    {
        if (level == _levels.Length - 1) return;
        // A context without continuations leaves everything to the shorter one.
        _backoffs[level] = new double[count];
        Array.Fill(_backoffs[level], 1);
    }

    /// <summary>The probability of an n-gram's last word after the last <paramref name="order"/> - 1 words before it.</summary>
    private double Shorter(UInt128 key, int order)
    {
        double backoff = 1;
        for (; order > 1; order--)
        {
            int context = Node(key, order - 1, 1);
            if (context < 0) continue;
            int node = _levels[order - 2].Child(context, NGramTable.WordFromEnd(key, 0), _levels[order - 1]);
            if (node >= 0) return backoff * _probabilities[order - 1][node];
            backoff *= _backoffs[order - 2][context];
        }
        return backoff * _probabilities[0][NGramTable.WordFromEnd(key, 0)];
    }

    /// <summary>The place of the n-gram of so many words that ends so many words before the key's end; -1 if there is none.</summary>
    private int Node(UInt128 key, int order, int before)
    {
        int node = NGramTable.WordFromEnd(key, before + order - 1);
        for (int level = 1; level < order && node >= 0; level++)
            node = _levels[level - 1].Child(node, NGramTable.WordFromEnd(key, before + order - 1 - level), _levels[level]);
        return node;
    }
}
