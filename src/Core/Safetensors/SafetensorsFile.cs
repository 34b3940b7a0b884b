using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ElasticTrain.Core.Safetensors;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DataType">The format's name of its element type.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="Content">Its bytes, in pieces that are written before the next one is asked for.</param>
public sealed record SafetensorsContent(string Name, string DataType, long[] Shape, Func<IEnumerable<ReadOnlyMemory<byte>>> Content)
{
    /// <summary>Size in bytes.</summary>
    public long Bytes => Shape.Aggregate((long)SafetensorsReader.SizeOf(DataType), (product, size) => checked(product * size));

    /// <summary>An fp32 tensor.</summary>
    public static SafetensorsContent Of(string name, long[] shape, float[] values) => new(name, "F32", shape, () => Pieces(values));

    /// <summary>A tensor of 64-bit integers.</summary>
    public static SafetensorsContent Of(string name, long[] shape, long[] values) => new(name, "I64", shape, () => Pieces(values));

    /// <summary>The bytes of values may be more than fit into one array.</summary>
    private static IEnumerable<ReadOnlyMemory<byte>> Pieces<T>(T[] values) where T : unmanaged
    {
        const int piece = 1 << 20;
        for (int first = 0; first < values.Length; first += piece)
            yield return MemoryMarshal.AsBytes(values.AsSpan(first, Math.Min(piece, values.Length - first))).ToArray();
    }
}

/// <summary>
/// Writes safetensors files: eight bytes header length, a JSON header, the tensors' bytes without gaps. Format:
/// https://github.com/huggingface/safetensors, README, "Format". The same input gives the same bytes.
/// </summary>
public static class SafetensorsFile
{
    private const int Block = 1 << 22;

    /// <summary>Writes fp32 tensors, in the order given, straight from their buffers.</summary>
    /// <param name="stream">Where to; not closed.</param>
    /// <param name="tensors">Name, shape, buffer, and the values [Offset, Offset + Length) in it.</param>
    /// <param name="metadata">Free text by key, written sorted by key; null for none.</param>
    /// <exception cref="ArgumentException">A name comes twice, or a shape does not have the given length.</exception>
    public static void Write(Stream stream, IReadOnlyList<(string Name, long[] Shape, NativeBuffer Buffer, long Offset, long Length)> tensors,
        IReadOnlyDictionary<string, string>? metadata = null)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("safetensors are written on little-endian machines only");
        stream.Write(Header([.. tensors.Select(tensor => (tensor.Name, tensor.Shape, tensor.Length))], metadata));
        foreach (var (_, _, buffer, offset, length) in tensors)
        {
            for (long done = 0; done < length; done += Block)
                stream.Write(MemoryMarshal.AsBytes(buffer.Slice(offset + done, (int)Math.Min(Block, length - done))));
        }
    }

    /// <summary>Writes tensors of any element type, in the order given.</summary>
    /// <param name="stream">Where to; not closed.</param>
    /// <param name="tensors">The tensors; their content is asked for one after another.</param>
    /// <param name="metadata">Free text by key, written sorted by key; null for none.</param>
    /// <exception cref="ArgumentException">A name comes twice, or a content has another length than its shape.</exception>
    public static void Write(Stream stream, IReadOnlyList<SafetensorsContent> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("safetensors are written on little-endian machines only");
        stream.Write(Header([.. tensors.Select(tensor => (tensor.Name, tensor.DataType, tensor.Shape, tensor.Bytes))], metadata));
        foreach (SafetensorsContent tensor in tensors)
        {
            long written = 0;
            foreach (ReadOnlyMemory<byte> piece in tensor.Content())
            {
                written += piece.Length;
                stream.Write(piece.Span);
            }
            if (written != tensor.Bytes) throw new ArgumentException($"{tensor.Name} has {written} bytes of content, its shape {tensor.Bytes}.", nameof(tensors));
        }
    }

    /// <summary>The bytes in front of the data of fp32 tensors: length and JSON, padded with spaces to a multiple of eight.</summary>
    /// <param name="tensors">Name, shape and number of values of each tensor, in file order.</param>
    /// <param name="metadata">Free text by key, written sorted by key; null for none.</param>
    /// <exception cref="ArgumentException">A name comes twice, or a shape does not have the given length.</exception>
    public static byte[] Header(IReadOnlyList<(string Name, long[] Shape, long Length)> tensors, IReadOnlyDictionary<string, string>? metadata) =>
        Header([.. tensors.Select(tensor => (tensor.Name, "F32", tensor.Shape, tensor.Length * sizeof(float)))], metadata);

    private static byte[] Header(IReadOnlyList<(string Name, string DataType, long[] Shape, long Bytes)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                writer.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal)) writer.WriteString(key, value);
                writer.WriteEndObject();
            }
            long position = 0;
            var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
            foreach (var (name, dataType, shape, bytes) in tensors)
            {
                if (!names.Add(name)) throw new ArgumentException($"The tensor name {name} comes twice or is reserved.", nameof(tensors));
                if (shape.Aggregate((long)SafetensorsReader.SizeOf(dataType), (product, size) => checked(product * size)) != bytes)
                    throw new ArgumentException($"{name}: shape [{string.Join(", ", shape)}] of {dataType} does not have {bytes} bytes.", nameof(tensors));
                writer.WriteStartObject(name);
                writer.WriteString("dtype", dataType);
                writer.WriteStartArray("shape");
                foreach (long size in shape) writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(position);
                writer.WriteNumberValue(position += bytes);
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        int padded = (json.WrittenCount + 7) / 8 * 8;
        byte[] header = new byte[8 + padded];
        BinaryPrimitives.WriteInt64LittleEndian(header, padded);
        json.WrittenSpan.CopyTo(header.AsSpan(8));
        header.AsSpan(8 + json.WrittenCount).Fill((byte)' ');
        return header;
    }
}
