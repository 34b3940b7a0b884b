using System.Text;

namespace ElasticTrain.Data.Sources;

/// <summary>
/// Reads a plain text file: one document, or sections cut at line ends where it is longer than a document may be. Where sections are cut depends only on the
/// bytes from the cut before, so reading can go on at any.
/// </summary>
internal static class PlainTextReader
{
    private const int SampleBytes = 1 << 20;

    internal static IEnumerable<SourceItem> Read(SourceFile file, SourceOptions options, SourcePosition position)
    {
        if (position == SourcePosition.Start)
        {
            var whole = WholeText.Read(file, options, options.MaxRecordBytes);
            if (!whole.IsTooLong)
            {
                yield return whole.Problem ?? FileItems.Document(file, whole.Text, whole.Metadata);
                yield break;
            }
        }
        var found = EncodingOf(file, options);
        if (found is { Refusal: { } refusal, IsStray: false }) yield return FileItems.Problem(file, QuarantineKind.Encoding, refusal);
        else
            foreach (var item in Sections(file, options, found.Encoding, position)) yield return item;
    }

    /// <summary>A long text's encoding is that of its beginning.</summary>
    private static TextEncodings.Finding EncodingOf(SourceFile file, SourceOptions options)
    {
        using var bytes = SourceBytes.Open(file, options);
        if (bytes.Encoding is not null || options.Encoding is not null) return default;
        byte[] sample = new byte[file.Compression == Compression.None ? Math.Min(SampleBytes, file.Bytes) : SampleBytes];
        return TextEncodings.Detect(sample.AsSpan(0, bytes.Fill(sample)), options);
    }

    private static IEnumerable<SourceItem> Sections(SourceFile file, SourceOptions options, Encoding? encoding, SourcePosition position)
    {
        using var bytes = SourceBytes.Open(file, options, encoding);
        if (position.Offset > 0) bytes.SkipTo(position.Offset);
        var sections = new SectionReader(bytes, options.SectionBytes, options.MaxRecordBytes);
        var metadata = TextEncodings.Of(bytes.Encoding);
        for (long number = position.Record + 1; ; number++)
        {
            var result = sections.Next();
            if (result == LineReader.Result.End)
            {
                if (bytes.Damage is { } damage) yield return Problem(damage.Kind, damage.Message, SourcePosition.End(number - 1));
                yield break;
            }
            var next = new SourcePosition(number, sections.NextOffset);
            if (result == LineReader.Result.TooLong) yield return Problem(QuarantineKind.TooLong, $"a line of more than {options.MaxRecordBytes} bytes", next);
            else if (TextSource.InvalidUtf8At(sections.Section) is >= 0 and var bad)
                yield return Problem(QuarantineKind.Encoding, $"the byte 0x{sections.Section[bad]:X2} at offset {sections.Offset + bad}, expected UTF-8", next);
            else yield return new SourceDocument($"{file.Name}#{number}", Encoding.UTF8.GetString(sections.Section), metadata, next);

            QuarantinedRecord Problem(QuarantineKind kind, string reason, SourcePosition after) =>
                new($"{file.Name}#{number}", $"{Excerpt.Escape(file.Name)}, section {number}, offset {sections.Offset}", kind, reason, Excerpt.Of(sections.Section), after);
        }
    }
}
