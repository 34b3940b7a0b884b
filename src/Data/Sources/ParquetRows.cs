using System.Text;
using Parquet;

namespace ElasticTrain.Data.Sources;

/// <summary>Reads a Parquet file, one row group after the other: a text column (or prompt and completion), and all single values of a row as metadata.</summary>
internal static class ParquetRows
{
    internal static IEnumerable<SourceItem> Read(SourceFile file, SourceOptions options, SourcePosition position)
    {
        using var stream = SourceBytes.OpenFile(file.Path);
        if (stream.Length == 0 || !stream.CanSeek)
        {
            yield return FileItems.Empty(file);
            yield break;
        }
        var (reader, problem) = Try(() => Wait(() => ParquetReader.CreateAsync(stream, leaveStreamOpen: true)));
        if (reader is null)
        {
            yield return FileItems.Problem(file, QuarantineKind.Damaged, $"no Parquet file, or its end is cut off: {problem}");
            yield break;
        }
        // The reader holds nothing but the stream.
        var (columns, columnProblem) = Try(() => ParquetColumns.Of(reader.Schema, options.TextFields));
        if (columns?.Problem is not null || columns is null)
        {
            yield return FileItems.Problem(file, columns is null ? QuarantineKind.Damaged : QuarantineKind.NoText, columns?.Problem ?? columnProblem!);
            yield break;
        }
        long row = 0;
        for (int number = 0; number < reader.RowGroupCount; number++)
        {
            var group = reader.OpenRowGroupReader(number);
            long next = row + group.RowCount;
            if (position.Record < next)
            {
                if (columns.BytesIn(group) > options.MaxGroupBytes)
                {
                    yield return Group(QuarantineKind.TooLong, $"{columns.BytesIn(group)} bytes in rows {row + 1} to {next}, allowed are {options.MaxGroupBytes}", new SourcePosition(next, 0));
                }
                else
                {
                    var (rows, groupProblem) = Try(() => columns.Read(group));
                    if (rows is null)
                    {
                        yield return Group(QuarantineKind.Damaged, $"row group {number + 1} (rows {row + 1} to {next}) is corrupt: {groupProblem}", SourcePosition.End(row));
                        yield break;
                    }
                    using var held = rows;
                    for (long at = Math.Max(0, position.Record - row); at < group.RowCount; at++) yield return Item(rows, (int)at, row + at + 1);
                }
            }
            row = next;

            QuarantinedRecord Group(QuarantineKind kind, string reason, SourcePosition after) =>
                new($"{file.Name}#{row + 1}", $"{Excerpt.Escape(file.Name)}, row {row + 1}", kind, reason, "", after);
        }
        if (row == 0) yield return FileItems.Empty(file);

        SourceItem Item(ParquetGroup rows, int at, long number)
        {
            var after = new SourcePosition(number, 0);
            ReadOnlySpan<byte> first = rows.Texts[0].At(at).Span, second = rows.Texts.Count > 1 ? rows.Texts[1].At(at).Span : default;
            if (rows.Texts.Any(text => text.IsNull(at))) return Problem(QuarantineKind.NoText, "no value in the text column", default);
            if (first.Length + (long)second.Length > options.MaxRecordBytes) return Problem(QuarantineKind.TooLong, $"{first.Length + (long)second.Length} bytes, allowed are {options.MaxRecordBytes}", first);
            foreach (var text in rows.Texts)
            {
                var bytes = text.At(at).Span;
                if (TextSource.InvalidUtf8At(bytes) is >= 0 and var bad) return Problem(QuarantineKind.Encoding, $"the byte 0x{bytes[bad]:X2} at offset {bad} of the text, expected UTF-8", bytes);
            }
            if (first.Length + second.Length == 0) return Problem(QuarantineKind.NoText, "an empty text", default);
            string whole = rows.Texts.Count == 1 ? Encoding.UTF8.GetString(first) : Encoding.UTF8.GetString(first) + Encoding.UTF8.GetString(second);
            var document = new SourceDocument($"{file.Name}#{number}", whole, rows.MetadataAt(at), after);
            return rows.Texts.Count == 1 ? document : document with { PromptBytes = first.Length, PromptChars = Encoding.UTF8.GetCharCount(first) };

            QuarantinedRecord Problem(QuarantineKind kind, string reason, ReadOnlySpan<byte> text) =>
                new($"{file.Name}#{number}", $"{Excerpt.Escape(file.Name)}, row {number}", kind, reason, Excerpt.Of(text), after);
        }
    }

    /// <summary>On damaged files the library throws whatever its decoders stumble over; all of it means that the file is damaged, except a lack of memory.</summary>
    private static (T? Value, string? Problem) Try<T>(Func<T> read) where T : class
    {
        try
        {
            return (read(), null);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return (null, Excerpt.Of($"{error.Message} ({error.GetType().Name})"));
        }
    }

    /// <summary>The library reads asynchronously only; it must not come back to a context that waits here.</summary>
    internal static T Wait<T>(Func<Task<T>> read) => Task.Run(read).GetAwaiter().GetResult();
}
