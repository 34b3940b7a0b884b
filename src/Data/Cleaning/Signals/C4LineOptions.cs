namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// C4's rules for lines (Raffel et al., JMLR 21 (2020), section 2.2; the order and the rules that only its code has are those of datatrove's C4QualityFilter).
/// </summary>
public sealed record C4LineOptions
{
    /// <summary>FineWeb's choice: all rules but the one for terminal punctuation (Penedo et al., arXiv:2406.17557, section 3.5).</summary>
    public static C4LineOptions FineWeb { get; } = new() { Remove = true, RequireTerminalPunctuation = false };

    /// <summary>Lines that fail are removed from the text; otherwise they are only counted.</summary>
    public bool Remove { get; init; }

    /// <summary>A line must end with <c>.</c>, <c>?</c>, <c>!</c>, <c>"</c> or <c>'</c>, and not with <c>...</c>.</summary>
    public bool RequireTerminalPunctuation { get; init; } = true;

    /// <summary>Words that a line must have, divided by white space.</summary>
    public int MinWords { get; init; } = 3;

    /// <summary>UTF-16 units that a word may have.</summary>
    public int MaxWordLength { get; init; } = 1000;

    /// <summary>Citations as in Wikipedia (<c>[1]</c>, <c>[edit]</c>, <c>[citation needed]</c>) are cut out of lines that stay.</summary>
    public bool RemoveCitations { get; init; } = true;

    /// <summary>A line with the word "javascript" in any case fails.</summary>
    public bool RejectJavascript { get; init; } = true;

    /// <summary>A line with a phrase of cookie and privacy notices fails.</summary>
    public bool RejectPolicies { get; init; } = true;
}
