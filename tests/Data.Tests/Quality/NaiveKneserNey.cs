namespace ElasticTrain.Data.Tests.Quality;

/// <summary>The definition written down with dictionaries, without pruning: interpolated modified Kneser-Ney, sentences padded with one &lt;s&gt; and one &lt;/s&gt;.</summary>
internal sealed class NaiveKneserNey
{
    private readonly Dictionary<string, int>[] _counts;
    private readonly double[][] _discounts;
    private readonly int _order, _words;

    internal NaiveKneserNey(IEnumerable<string[]> sentences, int order)
    {
        _order = order;
        string[][] padded = [.. sentences.Select(sentence => (string[])["<s>", .. sentence, "</s>"])];
        _words = padded.SelectMany(sentence => sentence).Distinct().Count();
        _counts = [.. Enumerable.Range(1, order).Select(n => padded.SelectMany(sentence => Windows(sentence, n)).GroupBy(gram => gram).ToDictionary(group => group.Key, group => group.Count()))];
        for (int n = 1; n < order; n++)
        {
            var before = _counts[n].Keys.GroupBy(gram => gram[(gram.IndexOf(' ') + 1)..]).ToDictionary(group => group.Key, group => group.Count());
            foreach (string gram in _counts[n - 1].Keys) if (!gram.StartsWith("<s>")) _counts[n - 1][gram] = before[gram];
        }
        _counts[0].Remove("<s>");
        _discounts = [.. _counts.Select(Discounts)];
    }

    internal double Probability(string[] context, string word)
    {
        if (context.Length >= _order) context = context[^(_order - 1)..];
        double uniform = 1.0 / _words;
        double lower = context.Length == 0 ? uniform : Probability(context[1..], word);
        string prefix = string.Concat(context.Select(one => one + " "));
        var counts = _counts[context.Length].Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).ToList();
        double total = counts.Sum(pair => pair.Value);
        if (total == 0) return lower;
        double[] discounts = _discounts[context.Length];
        double left = counts.Sum(pair => discounts[Math.Min(pair.Value, 3)]);
        int own = _counts[context.Length].GetValueOrDefault(prefix + word);
        return (own - discounts[Math.Min(own, 3)]) / total + left / total * lower;
    }

    private static double[] Discounts(Dictionary<string, int> counts)
    {
        double[] n = [.. Enumerable.Range(0, 5).Select(count => (double)counts.Values.Count(value => value == count))];
        if (n[1] == 0 || n[2] == 0 || n[3] == 0) return [0, 0.5, 1, 1.5];
        double y = n[1] / (n[1] + 2 * n[2]);
        double[] d = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]];
        return d[1] is < 0 or > 1 || d[2] is < 0 or > 2 || d[3] is < 0 or > 3 ? [0, 0.5, 1, 1.5] : d;
    }

    private static IEnumerable<string> Windows(string[] sentence, int length) =>
        Enumerable.Range(0, Math.Max(0, sentence.Length - length + 1)).Select(i => string.Join(' ', sentence[i..(i + length)]));
}
