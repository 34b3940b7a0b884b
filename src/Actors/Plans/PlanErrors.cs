using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>Collects everything that is wrong with a plan, so that a user sees it all at once.</summary>
internal sealed class PlanErrors
{
    private readonly List<BadInputException> _problems = [];
    private readonly List<(string Where, string Path)> _unknown = [];
    private readonly SortedSet<string> _known = new(StringComparer.Ordinal);

    internal int Count => _problems.Count + _unknown.Count;

    internal void Add(string where, string found, string expected) => _problems.Add(new BadInputException(where, found, expected));

    internal void Add(BadInputException problem) => _problems.AddRange(problem.Problems);

    /// <summary>A key that plans know, as a path from the root; indices of lists do not appear in it.</summary>
    internal void Known(string path) => _known.Add(path);

    /// <summary>A key that nothing reads. The nearest valid key is looked for once all of them are known.</summary>
    internal void Unknown(string where, string path) => _unknown.Add((where, path));

    internal void ThrowIfAny()
    {
        foreach (var (where, path) in _unknown)
            Add(where, "an unknown key", Suggestion(WithoutIndices(path)));
        _unknown.Clear();
        if (_problems.Count > 0) throw new BadInputException(_problems);
    }

    internal static string WithoutIndices(string path) =>
        string.Join('.', path.Split('.').Where(segment => !int.TryParse(segment, out _)));

    /// <summary>The nearest key in the same section; else a key of that name in another section; else what the section may hold.</summary>
    private string Suggestion(string path)
    {
        string section = Section(path), key = Last(path);
        string[] siblings = [.. _known.Where(known => Section(known) == section).Select(Last)];
        string? nearest = EditDistance.Nearest(key, siblings);
        if (nearest is not null) return $"\"{nearest}\"";
        string? elsewhere = _known.FirstOrDefault(known => Last(known) == key) ?? EditDistance.Nearest(key, _known.Select(Last)) switch
        {
            { } name => _known.First(known => Last(known) == name),
            null => null,
        };
        return elsewhere is not null ? $"\"{elsewhere}\"" : $"one of {string.Join(", ", siblings)}";
    }

    private static string Section(string path) => path.LastIndexOf('.') is >= 0 and var dot ? path[..dot] : "";

    private static string Last(string path) => path[(path.LastIndexOf('.') + 1)..];
}

/// <summary>Finds the key that a user most likely meant.</summary>
internal static class EditDistance
{
    /// <summary>The candidate nearest to the word, or null if none is near enough to be what was meant.</summary>
    internal static string? Nearest(string word, IEnumerable<string> candidates)
    {
        string normal = Normal(word);
        var best = candidates.Select(candidate => (candidate, distance: Between(normal, Normal(candidate))))
            .OrderBy(pair => pair.distance).ThenBy(pair => pair.candidate, StringComparer.Ordinal).FirstOrDefault();
        return best.candidate is not null && best.distance <= Math.Max(2, word.Length / 3) ? best.candidate : null;
    }

    /// <summary>learningRate, learning_rate and LEARNING-RATE are all the same distance from learning-rate: none.</summary>
    private static string Normal(string word) => string.Concat(word.Where(c => c is not ('-' or '_'))).ToLowerInvariant();

    /// <summary>Levenshtein's distance: insertions, deletions and replacements.</summary>
    private static int Between(string left, string right)
    {
        int[] previous = [.. Enumerable.Range(0, right.Length + 1)], current = new int[right.Length + 1];
        for (int i = 1; i <= left.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= right.Length; j++)
                current[j] = Math.Min(Math.Min(current[j - 1], previous[j]) + 1, previous[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1));
            (previous, current) = (current, previous);
        }
        return previous[right.Length];
    }
}
