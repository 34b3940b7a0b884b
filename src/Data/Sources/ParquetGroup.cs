using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace ElasticTrain.Data.Sources;

/// <summary>The values of a row group.</summary>
/// <param name="texts">The text, or prompt and completion.</param>
/// <param name="metadata">The other columns.</param>
internal sealed class ParquetGroup(IReadOnlyList<ParquetTexts> texts, IReadOnlyList<ParquetGroup.Column> metadata) : IDisposable
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A column or a struct of columns.</summary>
    internal readonly record struct Column(Field Field, List<ParquetValues> Leaves);

    internal IReadOnlyList<ParquetTexts> Texts => texts;

    /// <summary>What a row says beside its text; values that are null are left out.</summary>
    internal SourceMetadata MetadataAt(int row)
    {
        var items = new List<KeyValuePair<string, string>>(metadata.Count);
        foreach (var column in metadata)
        {
            string? value = column.Field is DataField ? column.Leaves[0].At(row) : Json(column, row);
            if (value is not null) items.Add(new(column.Field.Name, value));
        }
        return items.Count == 0 ? SourceMetadata.None : new SourceMetadata([.. items]);
    }

    public void Dispose()
    {
        foreach (var text in texts) text.Dispose();
    }

    private static string? Json(Column column, int row)
    {
        if (column.Leaves.TrueForAll(leaf => leaf.At(row) is null)) return null;
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text, Plain))
        {
            int leaf = 0;
            Write(writer, column.Field, column.Leaves, row, ref leaf);
        }
        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    /// <summary>Leaves come in the order of the schema.</summary>
    private static void Write(Utf8JsonWriter writer, Field field, List<ParquetValues> leaves, int row, ref int leaf)
    {
        if (field is StructField inner)
        {
            writer.WriteStartObject();
            foreach (var child in inner.Fields)
            {
                writer.WritePropertyName(child.Name);
                Write(writer, child, leaves, row, ref leaf);
            }
            writer.WriteEndObject();
            return;
        }
        var values = leaves[leaf++];
        if (values.At(row) is not { } value) writer.WriteNullValue();
        else if (values.IsJsonAt(row)) writer.WriteRawValue(value);
        else writer.WriteStringValue(value);
    }
}

/// <summary>A column of texts as bytes, as they stand in the file.</summary>
internal sealed class ParquetTexts : IDisposable
{
    private readonly RawColumnData<ReadOnlyMemory<byte>> _data;
    private readonly ReadOnlyMemory<byte>[] _values;
    private readonly int[]? _places;

    private ParquetTexts(RawColumnData<ReadOnlyMemory<byte>> data, DataField field, long rows)
    {
        _data = data;
        _values = data.Values.ToArray();
        _places = ParquetValues.Places(data, field, rows, _values.Length);
    }

    internal static ParquetTexts Read(ParquetRowGroupReader group, DataField field)
    {
        var data = ParquetRows.Wait(() => group.ReadRawColumnDataBaseAsync(field).AsTask());
        return new ParquetTexts((RawColumnData<ReadOnlyMemory<byte>>)data, field, group.RowCount);
    }

    internal bool IsNull(int row) => _places is not null && _places[row] < 0;

    internal ReadOnlyMemory<byte> At(int row) => _places is null ? _values[row] : _places[row] < 0 ? default : _values[_places[row]];

    public void Dispose() => _data.Dispose();
}
