using ElasticTrain.Core;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Rules in the order in which they are tried. They judge stored signals, so that changing them measures nothing again. Immutable.</summary>
public sealed class FilterRules
{
    private readonly FilterRule[] _rules;

    /// <summary>Takes rules.</summary>
    /// <exception cref="ArgumentException">Two have one name.</exception>
    public FilterRules(IEnumerable<FilterRule> rules)
    {
        _rules = [.. rules];
        if (_rules.DistinctBy(rule => rule.Name).Count() != _rules.Length) throw new ArgumentException("two rules of one name", nameof(rules));
    }

    /// <summary>No rule.</summary>
    public static FilterRules None { get; } = new([]);

    /// <summary>The rules.</summary>
    public IReadOnlyList<FilterRule> Rules => _rules;

    /// <summary>
    /// These rules with other thresholds: <c>gopher.min-words=20</c> sets one (a published rule that is not among these is added at the end), <c>gopher.min-words=off</c> takes
    /// the rule out.
    /// </summary>
    /// <exception cref="BadInputException">A rule is unknown, or a threshold is none.</exception>
    public FilterRules With(IEnumerable<string> settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var rules = _rules.ToList();
        foreach (string setting in settings)
        {
            int equals = setting.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0) throw new BadInputException("a filter's threshold", $"\"{setting}\"", "NAME=VALUE, such as gopher.min-words=50");
            string name = setting[..equals].Trim(), value = setting[(equals + 1)..].Trim();
            int at = rules.FindIndex(rule => rule.Name == name);
            FilterRule rule = at >= 0 ? rules[at] : PublishedRules.All.FirstOrDefault(known => known.Name == name) ?? throw Unknown(name, rules);
            if (value == "off")
            {
                if (at >= 0) rules.RemoveAt(at);
                continue;
            }
            rule = rule.With(value);
            if (at >= 0) rules[at] = rule;
            else rules.Add(rule);
        }
        return new FilterRules(rules);
    }

    /// <summary>Judges a document by its signals.</summary>
    /// <param name="signals">Everything that the rules look at.</param>
    /// <param name="all">Report every rule that it fails, not the first alone.</param>
    /// <exception cref="BadInputException">A signal was not measured.</exception>
    public Verdict Judge(DocumentSignals signals, bool all = false)
    {
        List<Removal>? removals = null;
        foreach (FilterRule rule in _rules)
        {
            if (rule.Check(signals) is not { } removal) continue;
            (removals ??= []).Add(removal);
            if (!all) break;
        }
        return new Verdict(removals ?? (IReadOnlyList<Removal>)[]);
    }

    private static BadInputException Unknown(string name, List<FilterRule> rules) =>
        new("a filter's threshold", $"the rule \"{name}\"", "one of " + string.Join(", ", rules.Concat(PublishedRules.All).Select(rule => rule.Name).Distinct().Order(StringComparer.Ordinal)));
}
