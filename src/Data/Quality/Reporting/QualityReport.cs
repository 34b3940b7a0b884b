using System.Text.Encodings.Web;
using System.Text.Json;

namespace ElasticTrain.Data.Quality;

/// <summary>What a preparation of data did, as plain numbers and texts: what is shown as HTML and stored as JSON. Lists are shown in their order; texts may hold anything.</summary>
public sealed record QualityReport
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.Default,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>The report's heading.</summary>
    public required string Title { get; init; }

    /// <summary>Names and values for the top: profile, reference, AUC, whatever the reader should know.</summary>
    public IReadOnlyList<ReportFact> Facts { get; init; } = [];

    /// <summary>The gates.</summary>
    public required GateReport Gates { get; init; }

    /// <summary>The sources.</summary>
    public IReadOnlyList<SourceSummary> Sources { get; init; } = [];

    /// <summary>What went, by rule.</summary>
    public IReadOnlyList<RemovalCount> Removed { get; init; } = [];

    /// <summary>Distributions: lengths, perplexities, sizes of groups of duplicates.</summary>
    public IReadOnlyList<Histogram> Histograms { get; init; } = [];

    /// <summary>Some of what went.</summary>
    public IReadOnlyList<RemovedExample> Examples { get; init; } = [];

    /// <summary>The report as JSON in UTF-8, the same bytes for the same report.</summary>
    public byte[] ToJson() => [.. JsonSerializer.SerializeToUtf8Bytes(this, Json), (byte)'\n'];

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="JsonException">It is no report.</exception>
    public static QualityReport FromJson(ReadOnlySpan<byte> json) => JsonSerializer.Deserialize<QualityReport>(json, Json) ?? throw new JsonException("null where a report should be");
}

/// <summary>One line at the top of a report.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Value">Its value.</param>
public sealed record ReportFact(string Name, string Value);

/// <summary>A source before and after.</summary>
/// <param name="Source">Its name.</param>
/// <param name="DocumentsRead">Documents that came.</param>
/// <param name="DocumentsKept">Documents that stayed.</param>
/// <param name="BytesRead">Their text in UTF-8.</param>
/// <param name="BytesKept">Text that stayed.</param>
/// <param name="Measurements">What the gates measured.</param>
public sealed record SourceSummary(string Source, long DocumentsRead, long DocumentsKept, long BytesRead, long BytesKept, GateMeasurements Measurements);

/// <summary>What a rule removed.</summary>
/// <param name="Rule">Its name.</param>
/// <param name="Documents">Whole documents.</param>
/// <param name="Bytes">Text in UTF-8, parts of documents included.</param>
public sealed record RemovalCount(string Rule, long Documents, long Bytes);

/// <summary>A document that went, or a part of one, to be shown.</summary>
/// <param name="Rule">Why.</param>
/// <param name="Source">From which source.</param>
/// <param name="Key">Which document.</param>
/// <param name="Value">What was measured, in words: "0.93, like b.txt".</param>
/// <param name="Excerpt">Some of its text.</param>
public sealed record RemovedExample(string Rule, string Source, string Key, string Value, string Excerpt);
