namespace ElasticTrain.Data.Cleaning;

/// <summary>How much of a text cleaning changed.</summary>
/// <param name="Surrogates">Halves of surrogate pairs replaced by U+FFFD.</param>
/// <param name="Mojibake">Sequences of wrongly read bytes decoded.</param>
/// <param name="Invisible">Control and invisible characters removed.</param>
/// <param name="LineEnds">Line ends of other kinds made <c>\n</c>.</param>
/// <param name="Normalized">Segments (a base character with its marks) normalized.</param>
/// <param name="Whitespace">Characters of white space removed.</param>
public readonly record struct TextChanges(int Surrogates, int Mojibake, int Invisible, int LineEnds, int Normalized, int Whitespace)
{
    /// <summary>Whether anything was changed.</summary>
    public bool Any => this != default;

    /// <summary>Both together.</summary>
    public static TextChanges operator +(TextChanges one, TextChanges other) => new(
        one.Surrogates + other.Surrogates,
        one.Mojibake + other.Mojibake,
        one.Invisible + other.Invisible,
        one.LineEnds + other.LineEnds,
        one.Normalized + other.Normalized,
        one.Whitespace + other.Whitespace);

    /// <inheritdoc cref="op_Addition"/>
    public static TextChanges Add(TextChanges one, TextChanges other) => one + other;
}
