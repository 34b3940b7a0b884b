using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>What a vocabulary was learned from.</summary>
/// <param name="Documents">Number of documents.</param>
/// <param name="TextBytes">Their bytes.</param>
/// <param name="PreTokens">Pre-tokens, each as often as it came.</param>
/// <param name="DistinctPreTokens">Different ones.</param>
/// <param name="SpilledTables">How often a table was full and went to the temporary folder.</param>
public sealed record TrainerReport(long Documents, long TextBytes, long PreTokens, long DistinctPreTokens, int SpilledTables);

/// <summary>
/// Learns a byte-level byte-pair encoding (Sennrich et al.; Radford et al.). The result is a function of the documents, in whatever order, and of the
/// options that say so: not of threads, memory or time.
/// </summary>
public static class TokenizerTrainer
{
    /// <summary>Learns.</summary>
    /// <param name="documents">UTF-8; read once, by one thread at a time.</param>
    /// <param name="options">How.</param>
    /// <param name="stop">Ends it early; nothing is left behind.</param>
    /// <param name="progress">Told the number of merges learned, and what they are learned from.</param>
    /// <exception cref="BadInputException">An option cannot be used, or there is no text.</exception>
    /// <exception cref="ElasticTrainException">The temporary folder cannot be written, or too many distinct pre-tokens are left.</exception>
    public static (TokenizerModel Model, TrainerReport Report) Train(
        IEnumerable<ReadOnlyMemory<byte>> documents, TrainerOptions options, CancellationToken stop = default, Action<int, TrainerReport>? progress = null)
    {
        options.Validate();
        int threads = options.Threads == 0 ? Environment.ProcessorCount : options.Threads;
        var words = new WordList();
        TrainerReport report = Count(documents, options, threads, words, stop);
        if (report.PreTokens == 0) throw new BadInputException("the tokenizer's text", "no text", "at least one character");

        var tokens = new List<byte[]>(ByteStandIns.Order.Select(value => new[] { value }));
        var merges = new List<TokenMerge>();
        int most = options.VocabSize - options.Specials.Count - tokens.Count;
        // A special token's text must never be an ordinary token too: one name would have two ids.
        var reserved = new HashSet<string>(options.Specials, StringComparer.Ordinal);
        var learner = new MergeLearner(words, threads);
        while (merges.Count < most && learner.Best(options.MinFrequency, IsAllowed) is (int left, int right))
        {
            stop.ThrowIfCancellationRequested();
            progress?.Invoke(merges.Count, report);
            learner.Merge(left, right, tokens.Count);
            merges.Add(new TokenMerge(left, right, tokens.Count));
            tokens.Add([.. tokens[left], .. tokens[right]]);
        }
        var specials = options.Specials.Select((text, i) => new SpecialToken(text, tokens.Count + i));
        return (TokenizerModel.Create("the learned vocabulary", options.PreTokenization, tokens, merges, [.. specials]), report);

        bool IsAllowed(int left, int right) => reserved.Count == 0 || !reserved.Contains(ByteStandIns.Of(tokens[left]) + ByteStandIns.Of(tokens[right]));
    }

    private static TrainerReport Count(IEnumerable<ReadOnlyMemory<byte>> documents, TrainerOptions options, int threads, WordList words, CancellationToken stop)
    {
        int[] idOf = new int[ByteTokenizer.ByteCount];
        for (int id = 0; id < idOf.Length; id++) idOf[ByteStandIns.Order[id]] = id;
        long distinct = 0;
        var counter = new PreTokenCounter(options.PreTokenization, threads, options.Memory, options.TemporaryFolder ?? Path.GetTempPath());
        counter.Count(documents, (token, count) =>
        {
            distinct++;
            if (token.Length > 1 && count >= options.MinPreTokenCount) words.Add(token, idOf, count);
        }, stop);
        return new TrainerReport(counter.Documents, counter.TextBytes, counter.PreTokens, distinct, counter.Spilled);
    }
}
