using System.Text;
using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// All that was measured of a document, by stable names: measured once, stored beside the document, judged as often as thresholds change. Numbers survive
/// JSON bit by bit.
/// </summary>
public sealed class DocumentSignals
{
    private readonly Dictionary<string, double> _numbers;
    private readonly Dictionary<string, string> _labels;

    /// <summary>Takes numbers and labels.</summary>
    /// <exception cref="ArgumentException">A number is not finite, or a name is taken twice.</exception>
    public DocumentSignals(IEnumerable<KeyValuePair<string, double>> numbers, IEnumerable<KeyValuePair<string, string>>? labels = null)
    {
        _numbers = new Dictionary<string, double>(numbers, StringComparer.Ordinal);
        _labels = new Dictionary<string, string>(labels ?? [], StringComparer.Ordinal);
        foreach ((string name, double value) in _numbers)
            if (!double.IsFinite(value) || _labels.ContainsKey(name)) throw new ArgumentException($"{name} is {value}, or both a number and a label", nameof(numbers));
    }

    /// <summary>Numbers by name.</summary>
    public IReadOnlyDictionary<string, double> Numbers => _numbers;

    /// <summary>Labels by name.</summary>
    public IReadOnlyDictionary<string, string> Labels => _labels;

    /// <summary>A number.</summary>
    /// <exception cref="KeyNotFoundException">It was not measured.</exception>
    public double this[string name] => _numbers[name];

    /// <summary>These and others; the others win.</summary>
    public DocumentSignals With(DocumentSignals others)
    {
        ArgumentNullException.ThrowIfNull(others);
        return new DocumentSignals(_numbers.Where(pair => !others._numbers.ContainsKey(pair.Key)).Concat(others._numbers), _labels.Where(pair => !others._labels.ContainsKey(pair.Key)).Concat(others._labels));
    }

    /// <summary>One JSON object, names in ordinal order, numbers in the shortest form that reads back to the same bits.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        foreach (string name in _numbers.Keys.Concat(_labels.Keys).Order(StringComparer.Ordinal))
        {
            if (_labels.TryGetValue(name, out string? label)) writer.WriteString(name, label);
            else writer.WriteNumber(name, _numbers[name]);
        }
        writer.WriteEndObject();
    }

    /// <inheritdoc cref="Write"/>
    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream)) Write(writer);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="json">An object of numbers and strings.</param>
    /// <param name="where">File and line, for messages.</param>
    /// <exception cref="BadInputException">It is something else.</exception>
    public static DocumentSignals Read(JsonElement json, string where)
    {
        const string Expected = "an object of numbers and strings";
        if (json.ValueKind != JsonValueKind.Object) throw new BadInputException(where, json.ValueKind.ToString(), Expected);
        var numbers = new Dictionary<string, double>(StringComparer.Ordinal);
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty property in json.EnumerateObject())
        {
            bool isNew = property.Value.ValueKind switch
            {
                JsonValueKind.Number when property.Value.TryGetDouble(out double number) && double.IsFinite(number) => !labels.ContainsKey(property.Name) && numbers.TryAdd(property.Name, number),
                JsonValueKind.String => !numbers.ContainsKey(property.Name) && labels.TryAdd(property.Name, property.Value.GetString()!),
                _ => throw new BadInputException($"{where}: {property.Name}", property.Value.GetRawText(), "a finite number or a string"),
            };
            if (!isNew) throw new BadInputException($"{where}: {property.Name}", "a name that comes twice", Expected);
        }
        return new DocumentSignals(numbers, labels);
    }

    /// <inheritdoc cref="Read(JsonElement, string)"/>
    public static DocumentSignals Parse(string json, string where = "signals")
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Read(document.RootElement, where);
        }
        catch (JsonException error)
        {
            throw new BadInputException(where, error.Message, "an object of numbers and strings", error);
        }
    }
}
