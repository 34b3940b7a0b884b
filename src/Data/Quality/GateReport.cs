using System.Text.Json.Serialization;

namespace ElasticTrain.Data.Quality;

/// <summary>How a gate came out.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<GateOutcome>))]
public enum GateOutcome
{
    /// <summary>The value keeps the limit.</summary>
    Passed,

    /// <summary>It does not.</summary>
    Failed,

    /// <summary>There was nothing to measure: no reference, no words, documents too short or too few.</summary>
    NotMeasured,
}

/// <summary>What was measured of a source, null where nothing could be.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Perplexity">Per word.</param>
/// <param name="Duplication">What is left of it, 0 to 1.</param>
/// <param name="TopicConsistency">Mean over documents, 0 to 1.</param>
public sealed record GateMeasurements(string Source, double? Perplexity, double? Duplication, double? TopicConsistency);

/// <summary>One gate of one source.</summary>
/// <param name="Gate">perplexity, duplication or topic-consistency.</param>
/// <param name="Source">The source's name.</param>
/// <param name="Value">What was measured.</param>
/// <param name="Limit">The value must be lower, or of topic-consistency higher.</param>
/// <param name="Outcome">How it came out.</param>
public sealed record GateResult(string Gate, string Source, double? Value, double Limit, GateOutcome Outcome);

/// <summary>All gates of all sources. A gate that is turned off is not in it.</summary>
/// <param name="Results">By source, in the order of the measurements.</param>
public sealed record GateReport(IReadOnlyList<GateResult> Results)
{
    /// <summary>Whether no gate failed.</summary>
    public bool Passed => Results.All(result => result.Outcome != GateOutcome.Failed);

    /// <summary>Compares measurements with limits.</summary>
    public static GateReport Judge(GateSettings settings, IEnumerable<GateMeasurements> measurements)
    {
        var results = new List<GateResult>();
        foreach (GateMeasurements one in measurements)
        {
            GateLimits limits = settings.For(one.Source);
            Add("perplexity", one.Source, one.Perplexity, limits.MaxPerplexity, mustBeHigher: false);
            Add("duplication", one.Source, one.Duplication, limits.MaxDuplication, mustBeHigher: false);
            Add("topic-consistency", one.Source, one.TopicConsistency, limits.MinTopicConsistency, mustBeHigher: true);
        }
        return new GateReport(results);

        void Add(string gate, string source, double? value, double? limit, bool mustBeHigher)
        {
            if (limit is not { } bound) return;
            // Written so that a value that is no number fails.
            GateOutcome outcome = value is not { } measured ? GateOutcome.NotMeasured
                : (mustBeHigher ? measured > bound : measured < bound) ? GateOutcome.Passed : GateOutcome.Failed;
            results.Add(new GateResult(gate, source, value, bound, outcome));
        }
    }
}
