using System.Globalization;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace ElasticTrain.Data.Sources;

/// <summary>A column of single values as text, the same in every culture.</summary>
internal sealed class ParquetValues
{
    private static readonly HashSet<Type> JsonTypes =
    [
        typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(decimal),
        typeof(float), typeof(double), typeof(bool),
    ];

    private static readonly HashSet<Type> OtherTypes =
    [
        typeof(ReadOnlyMemory<char>), typeof(DateTime), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan), typeof(Guid),
    ];

    private readonly string?[] _values;

    private readonly bool _isJson;

    private ParquetValues(string?[] values, bool isJson) => (_values, _isJson) = (values, isJson);

    /// <summary>Whether values of that type have a text. Bytes have none.</summary>
    internal static bool CanRead(DataField field) => JsonTypes.Contains(field.ClrType) || OtherTypes.Contains(field.ClrType);

    internal static ParquetValues Read(ParquetRowGroupReader group, DataField field)
    {
        using var data = ParquetRows.Wait(() => group.ReadRawColumnDataBaseAsync(field).AsTask());
        string[] texts = Texts(data);
        int[]? places = Places(data, field, group.RowCount, texts.Length);
        return new ParquetValues(places is null ? texts : Array.ConvertAll(places, place => place < 0 ? null : texts[place]), JsonTypes.Contains(field.ClrType));
    }

    /// <summary>The value of a row; null if it has none.</summary>
    internal string? At(int row) => _values[row];

    /// <summary>Whether the value of a row is JSON as it stands: a truth value, or a number unless it is none.</summary>
    internal bool IsJsonAt(int row) => _isJson && _values[row] is not (null or "NaN" or "Infinity" or "-Infinity");

    /// <summary>Where each row's value stands among those that are not null, -1 for null; null where none is.</summary>
    /// <exception cref="InvalidDataException">There are more or fewer values than rows.</exception>
    internal static int[]? Places(RawColumnData data, DataField field, long rows, int values)
    {
        if (field.MaxDefinitionLevel == 0) return values >= rows ? null : throw new InvalidDataException($"{values} values of {field.Name} in {rows} rows");
        var levels = data.DefinitionLevels;
        if (levels.Length != rows) throw new InvalidDataException($"{levels.Length} values of {field.Name} in {rows} rows");
        int[] places = new int[levels.Length];
        int place = 0;
        for (int row = 0; row < places.Length; row++) places[row] = levels[row] == field.MaxDefinitionLevel ? place++ : -1;
        return place <= values ? places : throw new InvalidDataException($"{values} values of {field.Name}, {place} announced");
    }

    private static string[] Texts(RawColumnData data) => data switch
    {
        RawColumnData<ReadOnlyMemory<char>> texts => Each(texts, text => text.ToString()),
        RawColumnData<bool> truths => Each(truths, value => value ? "true" : "false"),
        RawColumnData<byte> numbers => Numeric(numbers),
        RawColumnData<sbyte> numbers => Numeric(numbers),
        RawColumnData<short> numbers => Numeric(numbers),
        RawColumnData<ushort> numbers => Numeric(numbers),
        RawColumnData<int> numbers => Numeric(numbers),
        RawColumnData<uint> numbers => Numeric(numbers),
        RawColumnData<long> numbers => Numeric(numbers),
        RawColumnData<ulong> numbers => Numeric(numbers),
        RawColumnData<decimal> numbers => Numeric(numbers),
        // The shortest text that reads back as the same number.
        RawColumnData<float> numbers => Each(numbers, value => value.ToString("R", CultureInfo.InvariantCulture)),
        RawColumnData<double> numbers => Each(numbers, value => value.ToString("R", CultureInfo.InvariantCulture)),
        RawColumnData<DateTime> times => Each(times, value => value.ToString("O", CultureInfo.InvariantCulture)),
        RawColumnData<DateOnly> days => Each(days, value => value.ToString("O", CultureInfo.InvariantCulture)),
        RawColumnData<TimeOnly> times => Each(times, value => value.ToString("O", CultureInfo.InvariantCulture)),
        RawColumnData<TimeSpan> spans => Each(spans, value => value.ToString("c", CultureInfo.InvariantCulture)),
        RawColumnData<Guid> ids => Each(ids, value => value.ToString()),
        _ => throw new InvalidDataException($"values of the type {data.GetType()}"),
    };

    private static string[] Numeric<T>(RawColumnData<T> data) where T : struct, IFormattable => Each(data, value => value.ToString(null, CultureInfo.InvariantCulture));

    private static string[] Each<T>(RawColumnData<T> data, Func<T, string> text) where T : struct
    {
        var values = data.Values;
        string[] result = new string[values.Length];
        for (int i = 0; i < result.Length; i++) result[i] = text(values[i]);
        return result;
    }
}
