namespace ElasticTrain.Data.Tests;

/// <summary>The definition of training, counted anew before every merge.</summary>
internal static class NaiveTrainer
{
    /// <summary>Merges as pairs of ids; ids of bytes are places in the order of their stand-ins.</summary>
    internal static List<TokenMerge> Merges(IEnumerable<ReadOnlyMemory<byte>> documents, TrainerOptions options)
    {
        var order = ByteStandIns.Order.Select((value, id) => (value, id)).ToDictionary(item => item.value, item => item.id);
        var words = PreTokens(documents, options.PreTokenization).GroupBy(token => token)
            .Where(group => group.Count() >= options.MinPreTokenCount)
            .Select(group => (Tokens: ByteStandIns.Parse(group.Key)!.Select(value => order[value]).ToList(), Count: group.LongCount())).ToList();
        var names = ByteStandIns.Order.Select(value => ByteStandIns.Of(value).ToString()).ToList();
        var merges = new List<TokenMerge>();
        while (names.Count + options.Specials.Count < options.VocabSize)
        {
            var counts = new Dictionary<(int Left, int Right), long>();
            foreach (var (tokens, count) in words)
                for (int i = 0; i + 1 < tokens.Count; i++) counts[(tokens[i], tokens[i + 1])] = counts.GetValueOrDefault((tokens[i], tokens[i + 1])) + count;
            var allowed = counts.Where(pair => pair.Value >= options.MinFrequency && !options.Specials.Contains(names[pair.Key.Left] + names[pair.Key.Right])).ToList();
            if (allowed.Count == 0) break;
            (int left, int right) = allowed.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key.Left).ThenBy(pair => pair.Key.Right).First().Key;
            merges.Add(new TokenMerge(left, right, names.Count));
            foreach (var (tokens, _) in words)
            {
                for (int i = 0; i + 1 < tokens.Count; i++)
                {
                    if (tokens[i] != left || tokens[i + 1] != right) continue;
                    tokens[i] = names.Count;
                    tokens.RemoveAt(i + 1);
                }
            }
            names.Add(names[left] + names[right]);
        }
        return merges;
    }

    private static IEnumerable<string> PreTokens(IEnumerable<ReadOnlyMemory<byte>> documents, PreTokenization rules)
    {
        foreach (ReadOnlyMemory<byte> document in documents)
        {
            int start = 0;
            foreach (int end in new PreTokenScanner(rules).Scan(document.Span).ToArray())
            {
                yield return ByteStandIns.Of(document.Span[start..end]);
                start = end;
            }
        }
    }
}
