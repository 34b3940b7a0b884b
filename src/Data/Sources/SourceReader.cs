using ElasticTrain.Core;

namespace ElasticTrain.Data.Sources;

/// <summary>
/// Reads source files, one item after the other, in bounded memory. What a file gives depends on its content, its name and the options alone. Any number of
/// readings may go on at once; each is for one thread and holds one file.
/// </summary>
public sealed class SourceReader
{
    private readonly SourceOptions _options;

    /// <summary>A reader with the given limits.</summary>
    /// <exception cref="BadInputException">A limit is out of range, or the encoding has no such name.</exception>
    public SourceReader(SourceOptions? options = null)
    {
        _options = options ?? SourceOptions.Default;
        Check("MaxRecordBytes", _options.MaxRecordBytes, 1 << 30);
        Check("SectionBytes", _options.SectionBytes, _options.MaxRecordBytes);
        Check("MaxHtmlBytes", _options.MaxHtmlBytes, 1 << 30);
        Check("MaxExpansion", _options.MaxExpansion, int.MaxValue);
        if (_options.TextFields.Count == 0) throw new BadInputException("TextFields", "no name", "at least one");
        if (_options.Encoding is { } name) _ = TextEncodings.Named(name);
    }

    /// <summary>Reads a file from its beginning.</summary>
    /// <exception cref="BadInputException">The system cannot read the file. Bad content is no exception: it comes as <see cref="QuarantinedRecord"/>.</exception>
    public IEnumerable<SourceItem> Read(SourceFile file) => ReadFrom(file, SourcePosition.Start);

    /// <summary>Reads on: exactly the items that reading from the beginning gives after the one whose <see cref="SourceItem.Next"/> this is.</summary>
    /// <exception cref="BadInputException">As for <see cref="Read"/>; or the file is shorter than it was.</exception>
    public IEnumerable<SourceItem> ReadFrom(SourceFile file, SourcePosition position)
    {
        if (position.IsEnd) return [];
        return file.Format switch
        {
            SourceFormat.JsonLines => JsonLinesReader.Read(file, _options, position),
            SourceFormat.Html => HtmlReader.Read(file, _options),
            SourceFormat.Parquet => ParquetRows.Read(file, _options, position),
            SourceFormat.XmlDocumentation => XmlDocumentationReader.Read(file, _options, position),
            _ => PlainTextReader.Read(file, _options, position),
        };
    }

    private static void Check(string name, int value, int most)
    {
        if (value < 1 || value > most) throw new BadInputException(name, $"{value}", $"1 to {most}");
    }
}
