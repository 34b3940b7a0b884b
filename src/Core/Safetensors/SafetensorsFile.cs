using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace ElasticTrain.Core.Safetensors;

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

    /// <summary>The bytes in front of the data: length and JSON, padded with spaces to a multiple of eight.</summary>
    /// <param name="tensors">Name, shape and number of values of each tensor, in file order.</param>
    /// <param name="metadata">Free text by key, written sorted by key; null for none.</param>
    /// <exception cref="ArgumentException">A name comes twice, or a shape does not have the given length.</exception>
    public static byte[] Header(IReadOnlyList<(string Name, long[] Shape, long Length)> tensors, IReadOnlyDictionary<string, string>? metadata)
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
            foreach (var (name, shape, length) in tensors)
            {
                if (!names.Add(name)) throw new ArgumentException($"The tensor name {name} comes twice or is reserved.", nameof(tensors));
                if (shape.Aggregate(1L, (product, size) => checked(product * size)) != length)
                    throw new ArgumentException($"{name}: shape [{string.Join(", ", shape)}] does not have {length} values.", nameof(tensors));
                writer.WriteStartObject(name);
                writer.WriteString("dtype", "F32");
                writer.WriteStartArray("shape");
                foreach (long size in shape) writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(position);
                writer.WriteNumberValue(position += length * sizeof(float));
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
