using ElasticTrain.Core;

namespace ElasticTrain.Data.Deduplication;

/// <summary>What a passage is made of.</summary>
public enum PassageUnit
{
    /// <summary>Lines that are not blank.</summary>
    Line,

    /// <summary>Paragraphs, which blank lines separate.</summary>
    Paragraph,
}

/// <summary>Which repeated passages go.</summary>
public sealed record PassageOptions
{
    /// <summary>What passages are made of.</summary>
    public PassageUnit Unit { get; init; } = PassageUnit.Line;

    /// <summary>Units per passage. C4 removes spans of three sentences (Raffel et al. 2020, section 2.2); one is usual for paragraphs.</summary>
    public int Length { get; init; } = 3;

    /// <summary>Passages with fewer words are no repetition: braces, bullets, lone headings. As many as a shingle has.</summary>
    public int MinWords { get; init; } = 5;

    /// <summary>Throws unless the options can be used.</summary>
    /// <exception cref="BadInputException">A value is out of its range.</exception>
    public void Validate()
    {
        if (!Enum.IsDefined(Unit)) throw new BadInputException("passages: unit", $"{(int)Unit}", "lines or paragraphs");
        if (Length is < 1 or > 100) throw new BadInputException("passages: length", $"{Length}", "1 to 100");
        if (MinWords is < 1 or > 10_000) throw new BadInputException("passages: least words", $"{MinWords}", "1 to 10000");
    }
}
