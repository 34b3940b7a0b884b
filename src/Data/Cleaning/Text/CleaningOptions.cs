namespace ElasticTrain.Data.Cleaning;

/// <summary>Unicode normalization forms (Unicode Standard Annex 15).</summary>
public enum UnicodeForm
{
    /// <summary>Text as it is.</summary>
    None,

    /// <summary>Canonical composition: the same text, spelled in one way.</summary>
    Nfc,

    /// <summary>Compatibility composition: ligatures, wide letters, superscripts and their like become plain letters too. Loses information.</summary>
    Nfkc,
}

/// <summary>What <see cref="TextCleaner"/> does to text.</summary>
public sealed record CleaningOptions
{
    /// <summary>Changes nothing but halves of surrogate pairs, which no text can hold.</summary>
    public static CleaningOptions Nothing { get; } = new() { Form = UnicodeForm.None, RepairMojibake = false, RemoveInvisible = false, TrimWhitespace = false };

    /// <summary>Normalization form.</summary>
    public UnicodeForm Form { get; init; } = UnicodeForm.Nfc;

    /// <summary>UTF-8 that was read as Windows-1252 or Latin-1 is read again.</summary>
    public bool RepairMojibake { get; init; } = true;

    /// <summary>Control characters, terminal escapes, zero-width characters and directional overrides go; line ends of every kind become <c>\n</c>.</summary>
    public bool RemoveInvisible { get; init; } = true;

    /// <summary>White space at line ends goes, and so do blank lines at both ends and beyond the second in a row. Indentation stays.</summary>
    public bool TrimWhitespace { get; init; } = true;

    /// <summary>The guide's <c>clean_text</c>: lower case, and nothing left but letters, digits and single spaces.</summary>
    public bool GuideText { get; init; }
}
