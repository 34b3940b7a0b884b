using System.Numerics;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// The baseline: an interpolated trigram model over bytes and the end-of-document token.
/// p(c | a b) = l3 f(c | a b) + l2 f(c | b) + l1 f(c) + l0 / 257, where f are relative frequencies of the training text and the weights l
/// depend on how often the context a b was seen. They are fitted by expectation maximisation on the last tenth of the training text with
/// frequencies of the rest; then all of it is counted. It never sees the validation text.
/// Sources: Jelinek, Mercer, "Interpolated estimation of Markov source parameters from sparse data", 1980; buckets as in Chen, Goodman,
/// "An empirical study of smoothing techniques for language modeling", 1998, section 2.3.
/// </summary>
public sealed class ByteTrigram
{
    private const int Symbols = ByteTokenizer.EndOfDocument + 1, Orders = 4, Iterations = 50;

    // Buckets: 0: b was never a context; 1: a b never was; 2 + log2(count of a b) otherwise.
    private const int Buckets = 2 + 32;

    private readonly int[] _trigrams = new int[Symbols * Symbols * Symbols];
    private readonly int[] _pairContexts = new int[Symbols * Symbols];
    private readonly int[] _bigrams = new int[Symbols * Symbols];
    private readonly int[] _contexts = new int[Symbols];
    private readonly int[] _unigrams = new int[Symbols];
    private readonly double[] _weights = new double[Buckets * Orders];
    private long _total;

    private ByteTrigram()
    {
    }

    /// <summary>Counts a text and fits the weights. Takes about 70 MB of memory. Masked tokens are counted too: they are text.</summary>
    /// <param name="tokens">Tokens of <see cref="ByteTokenizer"/>.</param>
    /// <param name="maxTokens">Only the first tokens; at most 2^31 - 1 are used in any case.</param>
    /// <exception cref="BadInputException">The tokens are not bytes, or fewer than 30.</exception>
    public static ByteTrigram Train(TokenShardSet tokens, long maxTokens = int.MaxValue)
    {
        long count = Math.Min(Math.Min(tokens.TokenCount, maxTokens), int.MaxValue);
        if (count < 30) throw new BadInputException(tokens.Directory, $"{count} tokens", "at least 30 to fit a trigram model");
        if (tokens.VocabSize != ByteTokenizer.VocabSize)
            throw new BadInputException(tokens.Directory, $"a vocabulary of {tokens.VocabSize}", $"the byte tokenizer's {ByteTokenizer.VocabSize}");
        var model = new ByteTrigram();
        long heldOut = count - count / 10;
        model.Count(tokens, 0, heldOut);
        model.FitWeights(tokens, heldOut, Math.Min(count, heldOut + (2 << 20)));
        model.Count(tokens, heldOut, count);
        return model;
    }

    /// <summary>
    /// Bits per byte, as defined at <see cref="Data.BitsPerByte"/>, on the first tokens of a set: the very ones that
    /// <see cref="ValidationText"/> gives a network.
    /// </summary>
    /// <param name="validation">Held-out tokens.</param>
    /// <param name="maxTokens">Only the first tokens.</param>
    public double BitsPerByte(TokenShardSet validation, long maxTokens = long.MaxValue)
    {
        var text = new ValidationText(validation, maxTokens);
        double loss = 0;
        // Before the first token a document ended.
        int a = ByteTokenizer.EndOfDocument, b = text.FirstToken();
        foreach (var (token, counts) in text.Targets())
        {
            if (counts) loss -= Math.Log(Probability(a, b, token));
            (a, b) = (b, token);
        }
        return text.BitsPerByte(loss);
    }

    /// <summary>p(c | a b).</summary>
    /// <param name="a">The token before the last.</param>
    /// <param name="b">The last token.</param>
    /// <param name="c">The token to predict.</param>
    public double Probability(int a, int b, int c)
    {
        Span<double> parts = stackalloc double[Orders];
        int bucket = Parts(a, b, c, parts) * Orders;
        double sum = 0;
        for (int i = 0; i < Orders; i++) sum += _weights[bucket + i] * parts[i];
        return sum;
    }

    /// <summary>Relative frequencies of order 0..3, and the context's bucket.</summary>
    private int Parts(int a, int b, int c, Span<double> parts)
    {
        int pair = a * Symbols + b, pairs = _pairContexts[pair], contexts = _contexts[b];
        parts[0] = 1.0 / Symbols;
        parts[1] = (double)_unigrams[c] / _total;
        parts[2] = contexts == 0 ? 0 : (double)_bigrams[b * Symbols + c] / contexts;
        parts[3] = pairs == 0 ? 0 : (double)_trigrams[pair * Symbols + c] / pairs;
        return pairs > 0 ? 2 + BitOperations.Log2((uint)pairs) : contexts > 0 ? 1 : 0;
    }

    private void Count(TokenShardSet tokens, long from, long to)
    {
        int a = -1, b = -1;
        if (from >= 2)
        {
            Span<int> before = stackalloc int[2];
            tokens.Read(from - 2, before);
            (a, b) = (before[0], before[1]);
        }
        int[] buffer = new int[1 << 16];
        for (long at = from; at < to; at += buffer.Length)
        {
            var chunk = buffer.AsSpan(0, (int)Math.Min(buffer.Length, to - at));
            tokens.Read(at, chunk);
            foreach (int c in chunk)
            {
                if (c >= Symbols) throw new BadInputException(tokens.Directory, $"the reserved token {c}", "bytes and end-of-document tokens");
                _unigrams[c]++;
                _total++;
                if (b >= 0)
                {
                    _bigrams[b * Symbols + c]++;
                    _contexts[b]++;
                }
                if (a >= 0)
                {
                    _trigrams[(a * Symbols + b) * Symbols + c]++;
                    _pairContexts[a * Symbols + b]++;
                }
                (a, b) = (b, c);
            }
        }
    }

    private void FitWeights(TokenShardSet tokens, long from, long to)
    {
        int count = (int)(to - from);
        int[] text = new int[count + 2];
        tokens.Read(from - 2, text);
        double[] parts = new double[count * Orders];
        byte[] buckets = new byte[count];
        for (int i = 0; i < count; i++) buckets[i] = (byte)Parts(text[i], text[i + 1], text[i + 2], parts.AsSpan(i * Orders, Orders));

        // An order whose context was never seen has no frequencies: its weight starts at 0, and EM leaves it there.
        for (int bucket = 0; bucket < Buckets; bucket++)
        {
            int usable = bucket switch { 0 => 2, 1 => 3, _ => Orders };
            for (int i = 0; i < usable; i++) _weights[bucket * Orders + i] = 1.0 / usable;
        }
        double[] expected = new double[_weights.Length];
        double[] events = new double[Buckets];
        for (int iteration = 0; iteration < Iterations; iteration++)
        {
            // A small prior keeps buckets that the held-out text hardly visits sensible, and every probability above 0.
            Array.Clear(expected);
            Array.Clear(events);
            for (int bucket = 0; bucket < Buckets; bucket++)
            {
                for (int i = 0; i < Orders; i++)
                {
                    if (_weights[bucket * Orders + i] > 0) events[bucket] += expected[bucket * Orders + i] = 0.01;
                }
            }
            for (int t = 0; t < count; t++)
            {
                int weights = buckets[t] * Orders, part = t * Orders;
                double sum = 0;
                for (int i = 0; i < Orders; i++) sum += _weights[weights + i] * parts[part + i];
                for (int i = 0; i < Orders; i++) expected[weights + i] += _weights[weights + i] * parts[part + i] / sum;
                events[buckets[t]]++;
            }
            for (int i = 0; i < expected.Length; i++) _weights[i] = expected[i] / events[i / Orders];
        }
    }
}
