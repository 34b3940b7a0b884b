using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>What a source must reach; null turns a gate off.</summary>
public sealed record GateLimits
{
    /// <summary>Perplexity per word, under the reference's language model, must be lower.</summary>
    public double? MaxPerplexity { get; init; } = 150;

    /// <summary>The share of repeated windows that is left after removal must be lower.</summary>
    public double? MaxDuplication { get; init; } = 0.05;

    /// <summary>The mean topic consistency of its documents must be higher.</summary>
    public double? MinTopicConsistency { get; init; } = 0.8;
}

/// <summary>The limits of all sources.</summary>
public sealed record GateSettings
{
    /// <summary>For every source that has none of its own.</summary>
    public GateLimits Default { get; init; } = new();

    /// <summary>By the source's name.</summary>
    public IReadOnlyDictionary<string, GateLimits> Sources { get; init; } = new Dictionary<string, GateLimits>();

    /// <summary>The limits of a source.</summary>
    public GateLimits For(string source) => Sources.GetValueOrDefault(source, Default);

    /// <summary>Throws unless the limits can be used.</summary>
    /// <param name="sources">All sources there are.</param>
    /// <exception cref="BadInputException">A limit is out of its range, or given for a source that is none.</exception>
    public void Validate(IReadOnlyCollection<string> sources)
    {
        foreach (string name in Sources.Keys.Order(StringComparer.Ordinal))
            if (!sources.Contains(name)) throw new BadInputException("gates", $"limits for the source \"{name}\"", $"one of {string.Join(", ", sources.Order(StringComparer.Ordinal))}");
        foreach (var (name, limits) in Sources.OrderBy(pair => pair.Key, StringComparer.Ordinal).Prepend(new KeyValuePair<string, GateLimits>("all sources", Default)))
        {
            Check(name, "perplexity", limits.MaxPerplexity, 1, double.MaxValue);
            Check(name, "duplication", limits.MaxDuplication, 0, 1);
            Check(name, "topic consistency", limits.MinTopicConsistency, 0, 1);
        }

        static void Check(string name, string gate, double? limit, double least, double most)
        {
            if (limit is { } value && !(value >= least && value <= most))
                throw new BadInputException($"gates: {gate} of {name}", FormattableString.Invariant($"{value}"), FormattableString.Invariant($"{least} to {most}"));
        }
    }
}
