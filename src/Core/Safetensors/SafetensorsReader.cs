using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ElasticTrain.Core.Safetensors;

/// <summary>One tensor of a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DataType">The format's name of its element type, for example F32 or I64.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="Offset">Position of its first byte in the file.</param>
/// <param name="Bytes">Its size in bytes.</param>
public sealed record SafetensorsEntry(string Name, string DataType, long[] Shape, long Offset, long Bytes)
{
    /// <summary>Number of values.</summary>
    public long Length => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The element types that can be read as fp32 without a loss, in words.</summary>
    public const string FloatTypes = "F32, BF16 or F16";

    /// <summary>Whether the tensor has one of these.</summary>
    public bool IsFloat => DataType is "F32" or "BF16" or "F16";
}

/// <summary>Reads safetensors files. The header is checked against the file before anything is read or allocated for it.</summary>
public sealed class SafetensorsReader : IDisposable
{
    private const int Block = 1 << 20;
    private const long MaximumHeader = 100_000_000; // the limit of the reference implementation
    private static readonly Dictionary<string, int> ElementSizes = new(StringComparer.Ordinal)
    {
        ["BOOL"] = 1,
        ["U8"] = 1,
        ["I8"] = 1,
        ["F8_E4M3"] = 1,
        ["F8_E5M2"] = 1,
        ["I16"] = 2,
        ["U16"] = 2,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["I32"] = 4,
        ["U32"] = 4,
        ["F32"] = 4,
        ["I64"] = 8,
        ["U64"] = 8,
        ["F64"] = 8,
    };

    private readonly string _path;
    private readonly FileStream _stream;
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    private SafetensorsReader(string path, FileStream stream) => (_path, _stream) = (path, stream);

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    /// <summary>The free text of the header.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="BadInputException">The file cannot be opened.</exception>
    /// <exception cref="CorruptionException">It is truncated, or its header is no JSON, lies about offsets or leaves gaps.</exception>
    public static SafetensorsReader Open(string path)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(path, error is FileNotFoundException or DirectoryNotFoundException ? "no such file" : error.Message, "a safetensors file", error);
        }
        var reader = new SafetensorsReader(path, stream);
        try
        {
            reader.ReadHeader();
            return reader;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads an fp32 tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="destination">As long as the tensor.</param>
    /// <exception cref="BadInputException">No such tensor, another element type, or another length.</exception>
    /// <exception cref="CorruptionException">The file became shorter since it was opened.</exception>
    public void Read(string name, Span<float> destination) => ReadBytes(name, "F32", MemoryMarshal.AsBytes(destination));

    /// <summary>Reads a tensor of 64-bit integers.</summary>
    /// <inheritdoc cref="Read(string, Span{float})"/>
    public void Read(string name, Span<long> destination) => ReadBytes(name, "I64", MemoryMarshal.AsBytes(destination));

    /// <summary>Reads a part of a tensor of fp32, bf16 or fp16 numbers as fp32, which holds each of them exactly.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="first">The first value, counted from the tensor's start.</param>
    /// <param name="destination">Where to; not longer than the rest of the tensor.</param>
    /// <exception cref="BadInputException">No such tensor, or another element type.</exception>
    /// <exception cref="CorruptionException">The file became shorter since it was opened.</exception>
    public void ReadAsFloat(string name, long first, Span<float> destination)
    {
        SafetensorsEntry entry = Find(name);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first + destination.Length, entry.Length, nameof(destination));
        if (!entry.IsFloat) throw new BadInputException($"{_path}: {name}", $"values of type {entry.DataType}", SafetensorsEntry.FloatTypes);
        int size = SizeOf(entry.DataType);
        _stream.Position = entry.Offset + (first * size);
        byte[] bytes = size == sizeof(float) ? [] : new byte[Math.Min(destination.Length, Block) * size];
        for (int done = 0; done < destination.Length;)
        {
            Span<float> part = destination.Slice(done, Math.Min(Block, destination.Length - done));
            done += part.Length;
            if (size == sizeof(float))
            {
                Fill(name, MemoryMarshal.AsBytes(part));
                continue;
            }
            Span<byte> raw = bytes.AsSpan(0, part.Length * size);
            Fill(name, raw);
            if (entry.DataType == "F16") Widen(MemoryMarshal.Cast<byte, Half>(raw), part);
            else Bfloat16.Widen(MemoryMarshal.Cast<byte, ushort>(raw), part);
        }
    }

    /// <summary>Bytes of one element.</summary>
    /// <param name="dataType">The format's name of an element type.</param>
    /// <exception cref="ArgumentException">There is no such type.</exception>
    public static int SizeOf(string dataType) =>
        ElementSizes.TryGetValue(dataType, out int size) ? size : throw new ArgumentException($"{dataType} is no element type of safetensors.", nameof(dataType));

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private SafetensorsEntry Find(string name) => _entries.TryGetValue(name, out SafetensorsEntry? entry) ? entry : throw new BadInputException(_path, $"no tensor {name}", "one");

    private static void Widen(ReadOnlySpan<Half> source, Span<float> destination)
    {
        for (int i = 0; i < source.Length; i++) destination[i] = (float)source[i];
    }

    private void Fill(string name, Span<byte> destination)
    {
        int read = _stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        if (read < destination.Length) throw new CorruptionException($"{_path}: {name}", $"{read} bytes before the end of the file", $"{destination.Length}");
    }

    private void ReadBytes(string name, string dataType, Span<byte> destination)
    {
        SafetensorsEntry entry = Find(name);
        if (entry.DataType != dataType) throw new BadInputException($"{_path}: {name}", entry.DataType, dataType);
        if (entry.Bytes != destination.Length)
            throw new BadInputException($"{_path}: {name}", $"shape [{string.Join(", ", entry.Shape)}], {entry.Bytes} bytes", $"{destination.Length} bytes");
        _stream.Position = entry.Offset;
        Fill(name, destination);
    }

    private void ReadHeader()
    {
        long fileLength = _stream.Length;
        Span<byte> prefix = stackalloc byte[8];
        if (_stream.ReadAtLeast(prefix, 8, throwOnEndOfStream: false) < 8) throw new CorruptionException(_path, $"{fileLength} bytes", "at least 8");
        long headerLength = BinaryPrimitives.ReadInt64LittleEndian(prefix);
        if (headerLength < 2 || headerLength > MaximumHeader || headerLength > fileLength - 8)
            throw new CorruptionException(_path, $"a header of {headerLength} bytes in a file of {fileLength}", "a header that fits into the file");
        byte[] json = new byte[headerLength];
        _stream.ReadExactly(json);
        long dataStart = 8 + headerLength;
        try
        {
            using JsonDocument document = StrictJson.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new CorruptionException(_path, $"a header of kind {document.RootElement.ValueKind}", "a JSON object");
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__") ReadMetadata(property.Value);
                else _entries.Add(property.Name, Entry(property.Name, property.Value, dataStart, fileLength - dataStart));
            }
        }
        catch (JsonException error)
        {
            throw new CorruptionException(_path, $"a header that cannot be read ({error.Message})", "JSON with dtype, shape and data_offsets for each tensor");
        }
        CheckCoverage(dataStart, fileLength);
    }

    private void ReadMetadata(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object || element.EnumerateObject().Any(property => property.Value.ValueKind != JsonValueKind.String))
            throw new CorruptionException($"{_path}: __metadata__", element.GetRawText(), "an object of texts");
        foreach (JsonProperty property in element.EnumerateObject()) _metadata[property.Name] = property.Value.GetString()!;
    }

    private SafetensorsEntry Entry(string name, JsonElement element, long dataStart, long dataLength)
    {
        string where = $"{_path}: {name}";
        if (element.ValueKind != JsonValueKind.Object) throw new CorruptionException(where, element.GetRawText(), "an object with dtype, shape and data_offsets");
        string dataType = element.TryGetProperty("dtype", out JsonElement type) && type.ValueKind == JsonValueKind.String ? type.GetString()! : "";
        if (!ElementSizes.TryGetValue(dataType, out int size)) throw new CorruptionException(where, $"dtype \"{dataType}\"", $"one of {string.Join(", ", ElementSizes.Keys)}");
        long[] shape = Numbers(where, element, "shape"), offsets = Numbers(where, element, "data_offsets");
        if (offsets.Length != 2 || offsets[0] < 0 || offsets[1] < offsets[0] || offsets[1] > dataLength)
            throw new CorruptionException(where, $"data_offsets [{string.Join(", ", offsets)}]", $"two ascending offsets within {dataLength} bytes");
        Int128 bytes = size; // shapes may multiply beyond 64 bits
        foreach (long dimension in shape)
        {
            if (dimension < 0 || bytes > long.MaxValue) throw new CorruptionException(where, $"shape [{string.Join(", ", shape)}]", "dimensions that fit into the file");
            bytes *= dimension;
        }
        if (bytes != offsets[1] - offsets[0])
            throw new CorruptionException(where, $"shape [{string.Join(", ", shape)}] of {dataType} in {offsets[1] - offsets[0]} bytes", $"{bytes} bytes");
        return new SafetensorsEntry(name, dataType, shape, dataStart + offsets[0], offsets[1] - offsets[0]);
    }

    private static long[] Numbers(string where, JsonElement element, string field)
    {
        if (!element.TryGetProperty(field, out JsonElement list)) throw new CorruptionException(where, $"no {field}", "a list of whole numbers");
        if (list.ValueKind != JsonValueKind.Array || list.EnumerateArray().Any(value => value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out _)))
            throw new CorruptionException(where, $"{field} {list.GetRawText()}", "a list of whole numbers of 64 bits");
        return [.. list.EnumerateArray().Select(value => value.GetInt64())];
    }

    /// <summary>The tensors must cover the data without overlap and without gaps, as the format demands.</summary>
    private void CheckCoverage(long dataStart, long fileLength)
    {
        long position = dataStart;
        foreach (SafetensorsEntry entry in _entries.Values.OrderBy(entry => entry.Offset).ThenBy(entry => entry.Bytes))
        {
            if (entry.Offset != position) throw new CorruptionException($"{_path}: {entry.Name}", $"data from byte {entry.Offset}", $"from byte {position}");
            position += entry.Bytes;
        }
        if (position != fileLength) throw new CorruptionException(_path, $"{fileLength} bytes", $"{position}, where the last tensor ends");
    }
}
