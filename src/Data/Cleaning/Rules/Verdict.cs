namespace ElasticTrain.Data.Cleaning;

/// <summary>Why a document goes.</summary>
/// <param name="Rule">The rule's name.</param>
/// <param name="Signal">What it looked at.</param>
/// <param name="Found">The signal's value, numbers in their shortest form that reads back to the same bits.</param>
/// <param name="Expected">The condition that it fails, with the threshold.</param>
public sealed record Removal(string Rule, string Signal, string Found, string Expected)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Rule}: {Signal} is {Found}, expected {Expected}";
}

/// <summary>Whether a document stays.</summary>
/// <param name="Removals">The rules that it fails, in the order of the rules; none if it stays.</param>
public readonly record struct Verdict(IReadOnlyList<Removal> Removals)
{
    /// <summary>Whether it stays.</summary>
    public bool IsKept => Removals.Count == 0;

    /// <summary>The first rule that it fails.</summary>
    public Removal? First => Removals.Count == 0 ? null : Removals[0];
}
