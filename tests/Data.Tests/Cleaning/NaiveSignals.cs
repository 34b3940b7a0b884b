using System.Text.RegularExpressions;
using ElasticTrain.Data.Cleaning;

namespace ElasticTrain.Data.Tests.Cleaning;

/// <summary>Signals as their definitions say it, with strings and sets.</summary>
internal static class NaiveSignals
{
    internal static Dictionary<string, double> Of(string text)
    {
        var signals = new Dictionary<string, double>();
        double points = Points(text);
        string[] tokens = [.. text.Split('\n').SelectMany(TokenTests.Tokens)];
        string[] lines = [.. Regex.Split(text, "\n+").Where(line => line.Length > 0)];
        (double count, double characters) = Duplicates(lines);
        signals[Signal.DuplicateLines] = Ratio(count, lines.Length);
        signals[Signal.DuplicateLineCharacters] = Ratio(characters, points);
        string[] paragraphs = [.. Regex.Split(text.Trim(), "\n{2,}").Where(paragraph => paragraph.Length > 0)];
        (count, characters) = Duplicates(paragraphs);
        signals[Signal.DuplicateParagraphs] = Ratio(count, paragraphs.Length);
        signals[Signal.DuplicateParagraphCharacters] = Ratio(characters, points);
        for (int n = 2; n <= 4; n++) signals[Signal.TopNgram(n)] = Ratio(Top(tokens, n), points);
        for (int n = 5; n <= 10; n++) signals[Signal.DuplicateNgrams(n)] = Ratio(AllDuplicates(tokens, n), points);
        string[] visible = [.. text.Split('\n').Where(line => line.Trim().Length > 0)];
        signals[Signal.PunctuatedLines] = Ratio(visible.Count(line => WordCharacters.SentenceEnds.Contains(line[^1])), visible.Length);
        signals[Signal.ShortLines] = Ratio(visible.Count(line => Points(line) <= 30), visible.Length);
        signals[Signal.RepeatedLineCharacters] = Ratio(Duplicates(visible).Characters, Points(text.Replace("\n", "", StringComparison.Ordinal)));
        signals[Signal.LineEndsPerToken] = Ratio(text.Count(character => character == '\n'), tokens.Length);
        signals[Signal.StopWords] = tokens.Intersect(["the", "be", "to", "of", "and", "that", "have", "with"]).Count();
        signals[Signal.Tokens] = tokens.Length;
        return signals;
    }

    private static double Ratio(double part, double whole) => whole == 0 ? 0 : part / whole;

    private static int Points(string text) => text.EnumerateRunes().Count();

    private static (double Count, double Characters) Duplicates(string[] pieces)
    {
        var seen = new HashSet<string>();
        string[] again = [.. pieces.Where(piece => !seen.Add(piece))];
        return (again.Length, again.Sum(Points));
    }

    private static double Top(string[] tokens, int n)
    {
        var counts = new Dictionary<string, int>();
        var order = new List<string>();
        for (int i = 0; i + n <= tokens.Length; i++)
        {
            string gram = string.Join(' ', tokens[i..(i + n)]);
            if (counts.TryAdd(gram, 0)) order.Add(gram);
            counts[gram]++;
        }
        string? top = order.MaxBy(gram => counts[gram]);
        return top is null || counts[top] < 2 ? 0 : Points(top) * counts[top];
    }

    private static double AllDuplicates(string[] tokens, int n)
    {
        var seen = new HashSet<string>();
        double characters = 0;
        for (int i = 0; i + n <= tokens.Length;)
        {
            if (seen.Add(string.Join(' ', tokens[i..(i + n)])))
            {
                i++;
                continue;
            }
            characters += Points(string.Concat(tokens[i..(i + n)]));
            i += n;
        }
        return characters;
    }
}
