namespace ElasticTrain.Data.Sources;

/// <summary>Limits and names that readers go by. They belong to what determines a prepared corpus.</summary>
public sealed record SourceOptions
{
    /// <summary>The options of a command that says nothing.</summary>
    public static SourceOptions Default { get; } = new();

    /// <summary>A longer line, row or text is kept out (a plain text file is cut into sections instead).</summary>
    public int MaxRecordBytes { get; init; } = 64 << 20;

    /// <summary>The longest section of a plain text file that is longer than a record may be.</summary>
    public int SectionBytes { get; init; } = 1 << 20;

    /// <summary>A longer HTML file is kept out: its tree takes many times its size.</summary>
    public int MaxHtmlBytes { get; init; } = 16 << 20;

    /// <summary>A Parquet row group, or a folder's XML documentation, that is larger is kept out: it is held at once.</summary>
    public long MaxGroupBytes { get; init; } = 1L << 30;

    /// <summary>How far a compressed file may expand, as a multiple of the bytes read, once it is beyond <see cref="ExpansionFrom"/>. Deflate reaches 1032.</summary>
    public int MaxExpansion { get; init; } = 1000;

    /// <summary>What a compressed file may always expand to.</summary>
    public long ExpansionFrom { get; init; } = 64L << 20;

    /// <summary>What a compressed file may expand to at all.</summary>
    public long MaxExpandedBytes { get; init; } = 1L << 40;

    /// <summary>Names of the field or column that holds the text; the first that a record has.</summary>
    public IReadOnlyList<string> TextFields { get; init; } = ["text"];

    /// <summary>The encoding of files that have no byte order mark (a name that .NET knows); null to find out.</summary>
    public string? Encoding { get; init; }

    /// <summary>
    /// How sure the detection of an encoding must be. UTF.Unknown says 0.99 and more for the Asian encodings, 0.5 to 0.8 for those of one byte, and
    /// 0.82 for English with a single stray byte: anything below is a guess.
    /// </summary>
    public double MinConfidence { get; init; } = 0.9;
}
