using System.Buffers;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Words and phrases of a list that the user gives (C4 takes the "List of Dirty, Naughty, Obscene or Otherwise Bad Words"). Thread-safe.</summary>
public sealed class BadWordList
{
    private readonly SearchValues<string> _any;
    private readonly Dictionary<char, string[]> _byFirst;

    /// <summary>Takes words; blanks around them, empty ones and case do not count.</summary>
    /// <exception cref="BadInputException">There is none.</exception>
    public BadWordList(IEnumerable<string> words)
    {
        string[] all = [.. words.Select(word => word.Trim()).Where(word => word.Length > 0).Distinct(StringComparer.OrdinalIgnoreCase)];
        if (all.Length == 0) throw new BadInputException("the list of bad words", "no word", "at least one word");
        _any = SearchValues.Create(all, StringComparison.OrdinalIgnoreCase);
        _byFirst = all.GroupBy(word => char.ToUpperInvariant(word[0])).ToDictionary(group => group.Key, group => group.OrderByDescending(word => word.Length).ToArray());
    }

    /// <summary>Occurrences that do not overlap. A word in letters that are written with spaces must stand alone.</summary>
    public int Count(ReadOnlySpan<char> text)
    {
        int count = 0;
        for (int at = 0, found; at < text.Length && (found = text[at..].IndexOfAny(_any)) >= 0;)
        {
            at += found;
            int length = MatchAt(text, at);
            count += Math.Min(length, 1);
            at += Math.Max(length, 1);
        }
        return count;
    }

    private int MatchAt(ReadOnlySpan<char> text, int at)
    {
        foreach (string word in _byFirst.GetValueOrDefault(char.ToUpperInvariant(text[at]), []))
        {
            if (!text[at..].StartsWith(word, StringComparison.OrdinalIgnoreCase)) continue;
            int end = at + word.Length;
            bool isAlone = (at == 0 || !Continues(text[at - 1], word[0])) && (end == text.Length || !Continues(text[end], word[^1]));
            if (isAlone) return word.Length;
        }
        return 0;
    }

    private static bool Continues(char outside, char edge) => IsSpaced(outside) && IsSpaced(edge);

    // Thai to Myanmar, Khmer, kana and ideographs are written without spaces.
    private static bool IsSpaced(char character) =>
        character is not (>= '\u0E00' and <= '\u109F' or >= '\u1780' and <= '\u17FF' or >= '\u3040' and <= '\u30FF')
        && WordCharacters.Class(character) is var of && (of & WordCharacters.Word) != 0 && (of & WordCharacters.Single) == 0;
}
