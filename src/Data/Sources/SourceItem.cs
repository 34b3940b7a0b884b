namespace ElasticTrain.Data.Sources;

/// <summary>What comes out of a source file, one after the other: a document, or a record that could not be used.</summary>
/// <param name="Id">The file's name, and <c>#</c> with the record's number (from 1) where a file has several records.</param>
/// <param name="Next">Where reading goes on after this item.</param>
public abstract record SourceItem(string Id, SourcePosition Next);

/// <summary>A document as it stands in its source; nothing is cleaned.</summary>
/// <param name="Id">See <see cref="SourceItem"/>.</param>
/// <param name="Text">The text, never empty; of a prompt with a completion one after the other.</param>
/// <param name="Metadata">Everything else that the record says.</param>
/// <param name="Next">See <see cref="SourceItem"/>.</param>
public sealed record SourceDocument(string Id, string Text, SourceMetadata Metadata, SourcePosition Next) : SourceItem(Id, Next)
{
    /// <summary>Leading characters (UTF-16) of <see cref="Text"/> that are the prompt.</summary>
    public int PromptChars { get; init; }

    /// <summary>Leading bytes of the text in UTF-8 that are the prompt; their prediction does not count in the loss.</summary>
    public int PromptBytes { get; init; }
}

/// <summary>A record, or the rest of a file, that is kept out and shown instead of lost.</summary>
/// <param name="Id">See <see cref="SourceItem"/>.</param>
/// <param name="Where">The file, and inside it the line or row and the byte offset; safe to print.</param>
/// <param name="Kind">What is wrong, to count by.</param>
/// <param name="Reason">What is wrong, in words: what was found and what was expected; safe to print.</param>
/// <param name="Excerpt">How the record begins; control characters are escaped, so that it is safe to print.</param>
/// <param name="Next">See <see cref="SourceItem"/>; at the end if the rest of the file is lost with it.</param>
public sealed record QuarantinedRecord(string Id, string Where, QuarantineKind Kind, string Reason, string Excerpt, SourcePosition Next) : SourceItem(Id, Next)
{
    /// <summary>Whether nothing more comes of this file though it may hold more: it counts as damaged.</summary>
    public bool IsFileDamaged => Kind is QuarantineKind.Damaged or QuarantineKind.Expansion;
}

/// <summary>Why a record is in quarantine.</summary>
public enum QuarantineKind
{
    /// <summary>Bytes that are not what the encoding allows, or an encoding that is not known well enough.</summary>
    Encoding,

    /// <summary>Longer than a record may be.</summary>
    TooLong,

    /// <summary>Not what the format says: no JSON object, a field of another type, no well-formed XML.</summary>
    Malformed,

    /// <summary>Well-formed, but there is no text in it.</summary>
    NoText,

    /// <summary>The file is cut off or corrupt from here on.</summary>
    Damaged,

    /// <summary>A compressed file that expands beyond the limits.</summary>
    Expansion,
}

/// <summary>Where reading of a file goes on: small, and the same on every machine.</summary>
/// <param name="Record">Records that lie behind: lines of a JSONL file (empty ones too), rows of a Parquet file, sections of a long text.</param>
/// <param name="Offset">Bytes of the file's text that lie behind, after decompression; -1 at the end of the file.</param>
public readonly record struct SourcePosition(long Record, long Offset)
{
    /// <summary>The beginning of a file.</summary>
    public static SourcePosition Start => default;

    /// <summary>Whether nothing more comes.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsEnd => Offset < 0;

    /// <summary>The end of a file.</summary>
    internal static SourcePosition End(long record) => new(record, -1);
}
