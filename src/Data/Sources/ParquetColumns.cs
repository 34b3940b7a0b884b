using Parquet;
using Parquet.Schema;

namespace ElasticTrain.Data.Sources;

/// <summary>Which columns of a Parquet file are read, and their values in a row group.</summary>
internal sealed class ParquetColumns
{
    private readonly List<DataField> _texts = [];
    private readonly List<(Field Field, List<DataField> Leaves)> _metadata = [];

    private ParquetColumns() { }

    /// <summary>Why the file has no text; null if it has.</summary>
    internal string? Problem { get; private init; }

    /// <summary>Finds the text and the values beside it. Lists and maps are left out; a struct of single values is one piece of metadata, as JSON.</summary>
    internal static ParquetColumns Of(ParquetSchema schema, IReadOnlyList<string> textFields)
    {
        var byName = schema.Fields.OfType<DataField>().Where(IsText).ToDictionary(field => field.Name, StringComparer.Ordinal);
        string[]? chosen = textFields.FirstOrDefault(byName.ContainsKey) is { } text ? [text] : byName.ContainsKey("prompt") && byName.ContainsKey("completion") ? ["prompt", "completion"] : null;
        if (chosen is null)
        {
            string found = string.Join(", ", schema.Fields.Select(field => $"{Excerpt.Of(field.Name)} ({TypeName(field)})"));
            return new ParquetColumns { Problem = $"the columns {found}; expected a column of strings named {string.Join(" or ", textFields)}, or prompt and completion" };
        }
        // Read as bytes, because as strings the library replaces what is no UTF-8. Levels of a column come from the schema it stands in.
        var asBytes = new ParquetSchema(chosen.Select(name => new DataField(name, typeof(byte[]), byName[name].IsNullable)));
        var result = new ParquetColumns();
        result._texts.AddRange(asBytes.GetDataFields());
        foreach (var field in schema.Fields)
        {
            if (chosen.Contains(field.Name, StringComparer.Ordinal)) continue;
            var leaves = schema.GetDataFields().Where(leaf => leaf.Path.FirstPart == field.Name).ToList();
            if (leaves.All(leaf => leaf.MaxRepetitionLevel == 0 && !leaf.IsArray && ParquetValues.CanRead(leaf))) result._metadata.Add((field, leaves));
        }
        return result;
    }

    /// <summary>Bytes of the columns in a row group, as the file says.</summary>
    internal long BytesIn(ParquetRowGroupReader group) =>
        _texts.Concat(_metadata.SelectMany(item => item.Leaves)).Sum(field => group.GetMetadata(field)?.MetaData?.TotalUncompressedSize ?? 0);

    /// <summary>Reads the columns of a row group.</summary>
    internal ParquetGroup Read(ParquetRowGroupReader group)
    {
        var texts = new List<ParquetTexts>();
        try
        {
            foreach (var field in _texts) texts.Add(ParquetTexts.Read(group, field));
            var metadata = new List<ParquetGroup.Column>();
            foreach (var (field, leaves) in _metadata) metadata.Add(new(field, leaves.ConvertAll(leaf => ParquetValues.Read(group, leaf))));
            return new ParquetGroup(texts, metadata);
        }
        catch
        {
            texts.ForEach(text => text.Dispose());
            throw;
        }
    }

    private static bool IsText(DataField field) =>
        field.MaxRepetitionLevel == 0 && !field.IsArray && (field.ClrType == typeof(ReadOnlyMemory<char>) || field.ClrType == typeof(ReadOnlyMemory<byte>));

    private static string TypeName(Field field) => field is not DataField data ? field.SchemaType.ToString() : IsText(data) ? "String" : data.ClrType.Name;
}
