using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Cleaning;

/// <summary>How a rule compares a signal with its threshold. The threshold itself passes.</summary>
public enum Comparison
{
    /// <summary>The signal must not be smaller.</summary>
    AtLeast,

    /// <summary>The signal must not be greater.</summary>
    AtMost,
}

/// <summary>One condition that a document must meet to stay.</summary>
/// <param name="Name">Stable name, such as <c>gopher.min-words</c>.</param>
/// <param name="Signal">What it looks at.</param>
/// <param name="Source">Where the rule and its default come from.</param>
public abstract record FilterRule(string Name, string Signal, string Source)
{
    /// <summary>The threshold as a user writes it.</summary>
    public abstract string Threshold { get; }

    /// <summary>The same rule with another threshold.</summary>
    /// <exception cref="BadInputException">It is none for this rule.</exception>
    public abstract FilterRule With(string threshold);

    /// <summary>Why a document must go, or null if it may stay.</summary>
    /// <exception cref="BadInputException">The signal was not measured.</exception>
    public abstract Removal? Check(DocumentSignals signals);

    private protected BadInputException NotMeasured(DocumentSignals signals) =>
        new($"rule {Name}", $"no signal \"{Signal}\"", $"a document that it was measured for; there are {string.Join(", ", signals.Numbers.Keys.Concat(signals.Labels.Keys).Order(StringComparer.Ordinal))}");
}

/// <summary>A rule about a number.</summary>
/// <param name="Name">Stable name.</param>
/// <param name="Signal">A number.</param>
/// <param name="Comparison">On which side of the limit documents stay.</param>
/// <param name="Limit">The threshold.</param>
/// <param name="Source">Where the rule and its default come from.</param>
public sealed record NumberRule(string Name, string Signal, Comparison Comparison, double Limit, string Source) : FilterRule(Name, Signal, Source)
{
    /// <inheritdoc/>
    public override string Threshold => Limit.ToString("R", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public override FilterRule With(string threshold)
    {
        const NumberStyles Plain = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (!double.TryParse(threshold, Plain, CultureInfo.InvariantCulture, out double limit) || !double.IsFinite(limit))
            throw new BadInputException($"the threshold of {Name}", $"\"{threshold}\"", $"a number such as {Threshold}, or off");
        return this with { Limit = limit };
    }

    /// <inheritdoc/>
    public override Removal? Check(DocumentSignals signals)
    {
        ArgumentNullException.ThrowIfNull(signals);
        if (!signals.Numbers.TryGetValue(Signal, out double value)) throw NotMeasured(signals);
        bool stays = Comparison == Comparison.AtLeast ? value >= Limit : value <= Limit;
        return stays ? null : new Removal(Name, Signal, value.ToString("R", CultureInfo.InvariantCulture), (Comparison == Comparison.AtLeast ? "at least " : "at most ") + Threshold);
    }
}

/// <summary>A rule about a label: one of a list.</summary>
/// <param name="Name">Stable name.</param>
/// <param name="Signal">A label.</param>
/// <param name="Threshold">Labels that stay, divided by commas.</param>
/// <param name="Source">Where the rule and its default come from.</param>
public sealed record LabelRule(string Name, string Signal, string Threshold, string Source) : FilterRule(Name, Signal, Source)
{
    /// <inheritdoc/>
    public override string Threshold { get; } = Threshold;

    /// <inheritdoc/>
    public override FilterRule With(string threshold)
    {
        ArgumentNullException.ThrowIfNull(threshold);
        string[] labels = threshold.Split(',', StringSplitOptions.TrimEntries);
        if (labels.Contains("")) throw new BadInputException($"the threshold of {Name}", $"\"{threshold}\"", "labels divided by commas, such as en,de, or off");
        return new LabelRule(Name, Signal, string.Join(',', labels), Source);
    }

    /// <inheritdoc/>
    public override Removal? Check(DocumentSignals signals)
    {
        ArgumentNullException.ThrowIfNull(signals);
        if (!signals.Labels.TryGetValue(Signal, out string? label)) throw NotMeasured(signals);
        return Threshold.Split(',').Contains(label, StringComparer.Ordinal) ? null : new Removal(Name, Signal, label, "one of " + Threshold);
    }
}
