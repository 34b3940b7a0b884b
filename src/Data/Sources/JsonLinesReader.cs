using System.Text;

namespace ElasticTrain.Data.Sources;

/// <summary>Reads a file with one JSON object a line.</summary>
internal static class JsonLinesReader
{
    internal static IEnumerable<SourceItem> Read(SourceFile file, SourceOptions options, SourcePosition position)
    {
        using var bytes = SourceBytes.Open(file, options);
        if (position.Offset > 0) bytes.SkipTo(position.Offset);
        var lines = new LineReader(bytes, options.MaxRecordBytes);
        var record = new JsonRecord(options.TextFields);
        var metadata = TextEncodings.Of(bytes.Encoding);
        bool isEmpty = position == SourcePosition.Start;
        for (long number = position.Record + 1; ; number++)
        {
            var result = lines.Next();
            if (result == LineReader.Result.End)
            {
                var end = SourcePosition.End(number - 1);
                if (bytes.Damage is { } damage) yield return Problem(damage.Kind, damage.Message, end);
                else if (isEmpty) yield return FileItems.Empty(file);
                yield break;
            }
            var next = new SourcePosition(number, lines.NextOffset);
            if (result == LineReader.Result.TooLong) yield return Problem(QuarantineKind.TooLong, $"a line of {lines.NextOffset - lines.Offset} bytes, allowed are {options.MaxRecordBytes}", next);
            else if (lines.Line.Trim(" \t\r"u8).IsEmpty) continue;
            else if (TextSource.InvalidUtf8At(lines.Line) is >= 0 and var bad)
                yield return Problem(QuarantineKind.Encoding, $"the byte 0x{lines.Line[bad]:X2} at offset {lines.Offset + bad}, expected UTF-8", next);
            else if (number == 1 && IsOtherJson(lines.Line))
            {
                yield return Problem(QuarantineKind.Damaged, "one JSON value over several lines, expected one JSON object a line", SourcePosition.End(1));
                yield break;
            }
            else yield return Item(number, next);
            isEmpty = false;

            SourceItem Item(long line, SourcePosition after)
            {
                var parsed = record.Read(lines.Line, metadata);
                if (parsed.Problem is { } problem) return Problem(parsed.Kind, problem, after);
                int promptBytes = parsed.PromptChars == 0 ? 0 : Encoding.UTF8.GetByteCount(parsed.Text.AsSpan(0, parsed.PromptChars));
                return new SourceDocument($"{file.Name}#{line}", parsed.Text, parsed.Metadata, after) { PromptChars = parsed.PromptChars, PromptBytes = promptBytes };
            }

            QuarantinedRecord Problem(QuarantineKind kind, string reason, SourcePosition after) =>
                new($"{file.Name}#{number}", $"{Excerpt.Escape(file.Name)}, line {number}, offset {lines.Offset}", kind, reason, Excerpt.Of(lines.Line), after);
        }
    }

    /// <summary>An array or an indented object, as <c>.json</c> files often are: its lines are not reported one by one.</summary>
    private static bool IsOtherJson(ReadOnlySpan<byte> line)
    {
        var trimmed = line.Trim(" \t\r"u8);
        return trimmed[0] == '[' || trimmed.SequenceEqual("{"u8);
    }
}
