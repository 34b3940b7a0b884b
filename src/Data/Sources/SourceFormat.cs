namespace ElasticTrain.Data.Sources;

/// <summary>How a file is read.</summary>
public enum SourceFormat
{
    /// <summary>Plain text, source code and the like: one document.</summary>
    Text,

    /// <summary>One JSON object a line.</summary>
    JsonLines,

    /// <summary>Apache Parquet.</summary>
    Parquet,

    /// <summary>A web page: one document.</summary>
    Html,

    /// <summary>.NET XML documentation files, all of a source together.</summary>
    XmlDocumentation,
}

/// <summary>What a file's bytes are packed with.</summary>
public enum Compression
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>gzip (RFC 1952), any number of members.</summary>
    Gzip,

    /// <summary>Zstandard (RFC 8878), any number of frames.</summary>
    Zstandard,
}

/// <summary>Tells by a file's name how it is read.</summary>
internal static class SourceFormats
{
    internal static readonly HashSet<string> TextExtensions = Set(
        ".txt .text .md .markdown .rst .adoc .tex .log .yaml .yml .toml .ini .xml .xsd .css .csproj .props .targets "
            + ".cs .fs .vb .razor .cshtml .py .js .ts .tsx .jsx .java .kt .scala .go .rs .c .h .cc .cpp .hpp .m .swift .rb .php .pl .lua .r .jl .hs .ml "
            + ".sh .ps1 .sql .proto .conf .hocon");

    /// <summary>The Pile and C4 as published end in .jsonl.zst and .json.gz.</summary>
    private static readonly HashSet<string> JsonExtensions = Set(".jsonl .ndjson .json");

    private static readonly HashSet<string> HtmlExtensions = Set(".html .htm .xhtml");

    private static readonly HashSet<string> ArchiveExtensions = Set(".zip .tar .tgz .7z .rar .bz2 .xz .lz4 .br .lzma .warc");

    private static readonly HashSet<string> TableExtensions = Set(".csv .tsv .xlsx .xls .ods .arrow .feather .orc .avro");

    private static readonly HashSet<string> PrintExtensions = Set(".pdf .doc .docx .odt .rtf .epub .ps .djvu .mobi");

    private static HashSet<string> Set(string extensions) => new(extensions.Split(' '), StringComparer.OrdinalIgnoreCase);

    /// <summary>The format and compression of a file; null with the reason where it is not read.</summary>
    /// <param name="name">The file's name.</param>
    /// <param name="isNamed">The user named this very file: then an extension that says nothing means plain text.</param>
    internal static ((SourceFormat Format, Compression Compression)? Kind, string Reason) Of(string name, bool isNamed)
    {
        string extension = Path.GetExtension(name);
        var compression = extension.ToUpperInvariant() switch { ".GZ" => Compression.Gzip, ".ZST" => Compression.Zstandard, _ => Compression.None };
        if (compression != Compression.None) extension = Path.GetExtension(Path.GetFileNameWithoutExtension(name));

        if (TextExtensions.Contains(extension)) return ((SourceFormat.Text, compression), "");
        if (JsonExtensions.Contains(extension)) return ((SourceFormat.JsonLines, compression), "");
        if (HtmlExtensions.Contains(extension)) return ((SourceFormat.Html, compression), "");
        if (extension.Equals(".parquet", StringComparison.OrdinalIgnoreCase))
        {
            if (compression == Compression.None) return ((SourceFormat.Parquet, compression), "");
            return (null, "a Parquet file inside a compressed one is not read: decompress it");
        }
        if (TableExtensions.Contains(extension)) return (null, $"{extension} is not read: convert it to JSON lines or Parquet with a text column");
        if (ArchiveExtensions.Contains(extension)) return (null, $"{extension} is not read: unpack it (gzip and zstd files are read as they are)");
        if (PrintExtensions.Contains(extension)) return (null, $"{extension} is not read: convert it to plain text or HTML");
        if (isNamed) return ((SourceFormat.Text, compression), "");
        return (null, extension.Length == 0 ? "no extension says what it is" : $"{Excerpt.Of(extension)} is no known extension");
    }
}
