using System.Text;
using System.Xml;

namespace ElasticTrain.Data.Sources;

/// <summary>Reads .NET XML documentation: one document per type, made of all files together. A file that is no XML is kept out, the others are read.</summary>
internal static class XmlDocumentationReader
{
    private static readonly XmlReaderSettings Settings = new() { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null };

    internal static IEnumerable<SourceItem> Read(SourceFile group, SourceOptions options, SourcePosition position) =>
        Items(group, options).Skip((int)Math.Min(position.Record, int.MaxValue));

    private static IEnumerable<SourceItem> Items(SourceFile group, SourceOptions options)
    {
        if (group.Bytes > options.MaxGroupBytes)
        {
            yield return FileItems.Problem(group, QuarantineKind.TooLong, $"{group.Bytes} bytes of XML documentation, allowed together are {options.MaxGroupBytes}");
            yield break;
        }
        long number = 0;
        var files = new List<(string, byte[])>();
        foreach (var part in group.Parts)
        {
            byte[] content = Content(part, options, out var problem);
            problem ??= Problem(part, content);
            if (problem is null) files.Add((part.Path, content));
            else yield return problem with { Id = $"{group.Name}#{++number}", Next = new SourcePosition(number, 0) };
        }
        foreach (var document in XmlDocumentation.Documents(files))
        {
            string type = document.OrderKey[(document.OrderKey.IndexOf(':', StringComparison.Ordinal) + 1)..];
            number++;
            yield return new SourceDocument($"{group.Name}#{number}", Encoding.UTF8.GetString(document.Text), SourceMetadata.Of("type", type), new SourcePosition(number, 0));
        }
        if (number == 0) yield return FileItems.Empty(group);
    }

    private static byte[] Content(SourceFile part, SourceOptions options, out QuarantinedRecord? problem)
    {
        problem = part.Bytes > options.MaxRecordBytes ? FileItems.Problem(part, QuarantineKind.TooLong, $"{part.Bytes} bytes, allowed are {options.MaxRecordBytes}") : null;
        if (problem is not null) return [];
        // The XML reader knows encodings by the file's own declaration.
        using var file = SourceBytes.OpenFile(part.Path);
        byte[] content = new byte[part.Bytes];
        return content[..file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false)];
    }

    private static QuarantinedRecord? Problem(SourceFile part, byte[] content)
    {
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(content), Settings);
            while (reader.Read()) { }
            return null;
        }
        catch (XmlException error)
        {
            var problem = FileItems.Problem(part, QuarantineKind.Malformed, $"no well-formed XML: {Excerpt.Of(error.Message)}", Excerpt.Of(content));
            return problem with { Where = $"{problem.Where}, line {error.LineNumber}" };
        }
    }
}
