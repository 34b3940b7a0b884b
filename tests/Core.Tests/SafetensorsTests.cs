using System.Buffers.Binary;
using System.Text;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Core.Tests;

public sealed class SafetensorsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("safetensors-").FullName;

    [Fact]
    public void What_is_written_is_read_back_to_the_bit()
    {
        using var buffer = new NativeBuffer(100);
        for (int i = 0; i < 100; i++) buffer.Span[i] = BitConverter.Int32BitsToSingle(i * 77777777);
        string path = Written(stream => SafetensorsFile.Write(stream, [("b", [3, 5], buffer, 10, 15), ("empty", [0, 4], buffer, 0, 0), ("a", [75], buffer, 25, 75)],
            new Dictionary<string, string> { ["step"] = "12", ["format"] = "pt" }));
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        Assert.Equal(["a", "b", "empty"], reader.Entries.Keys.Order());
        Assert.Equal([3, 5], reader.Entries["b"].Shape);
        Assert.Equal("12", reader.Metadata["step"]);
        foreach (var (name, offset, length) in ((string, int, int)[])[("b", 10, 15), ("a", 25, 75), ("empty", 0, 0)])
        {
            float[] values = new float[length];
            reader.Read(name, values.AsSpan());
            Assert.Equal(buffer.Span.Slice(offset, length).ToArray().Select(BitConverter.SingleToInt32Bits), values.Select(BitConverter.SingleToInt32Bits));
        }
        Assert.Equal(0, (reader.Entries["b"].Offset) % 8);
    }

    [Fact]
    public void The_same_tensors_give_the_same_bytes_whatever_the_order_of_the_metadata()
    {
        using var buffer = new NativeBuffer(4);
        byte[] Bytes(params (string, string)[] metadata)
        {
            using var stream = new MemoryStream();
            SafetensorsFile.Write(stream, [("x", [4], buffer, 0, 4)], metadata.ToDictionary(pair => pair.Item1, pair => pair.Item2));
            return stream.ToArray();
        }
        Assert.Equal(Bytes(("a", "1"), ("b", "2")), Bytes(("b", "2"), ("a", "1")));
    }

    [Fact]
    public void Writing_a_name_twice_or_a_wrong_shape_is_an_error()
    {
        using var buffer = new NativeBuffer(4);
        Assert.Throws<ArgumentException>(() => SafetensorsFile.Write(Stream.Null, [("x", [2], buffer, 0, 2), ("x", [2], buffer, 2, 2)]));
        Assert.Throws<ArgumentException>(() => SafetensorsFile.Write(Stream.Null, [("x", [3], buffer, 0, 2)]));
    }

    [Theory]
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4)] // data beyond the end
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 12)] // data that nothing describes
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8)] // shape and offsets disagree
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8)]
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8)]
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,9223372036854775807,4],\"data_offsets\":[0,8]}}", 8)]
    [InlineData("{\"x\":{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8)]
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8)]
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":\"2\",\"data_offsets\":[0,8]}}", 8)]
    [InlineData("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12)] // overlap
    [InlineData("[1, 2]", 0)]
    [InlineData("{ not json", 0)]
    public void A_header_that_lies_is_refused(string header, int dataBytes)
    {
        string path = Raw(Encoding.UTF8.GetByteCount(header), header, dataBytes);
        Assert.Throws<CorruptionException>(() => SafetensorsReader.Open(path));
    }

    [Theory]
    [InlineData("\"dtype\":\"F32\",\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]", "\"dtype\" twice")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"x.weight\":{", "\"x.weight\" twice")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]", "x.weight")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[1e30],\"data_offsets\":[0,8]", "x.weight")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[18446744073709551616,18446744073709551624]", "x.weight")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]", "x.weight")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]", "x.weight")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2]", "x.weight")]
    [InlineData("\"dtype\":null,\"shape\":[2],\"data_offsets\":[0,8]", "x.weight")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"\\ud800\":{", "surrogate")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"y\":[1],\"z\":{", "y")]
    [InlineData("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"__metadata__\":{\"a\":1", "__metadata__")]
    public void A_bad_entry_is_named(string entry, string named)
    {
        string header = $"{{\"x.weight\":{{{entry}}}}}";
        Assert.Contains(named, Assert.Throws<CorruptionException>(() => SafetensorsReader.Open(Raw(Encoding.UTF8.GetByteCount(header), header, 8))).Message);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_refused()
    {
        byte[] header = Encoding.Latin1.GetBytes("{\"x\":{\"dtype\":\"F\u00c332\",\"shape\":[2],\"data_offsets\":[0,8]}}");
        string path = Raw(header.Length, new string(' ', header.Length), 8);
        byte[] file = File.ReadAllBytes(path);
        header.CopyTo(file, 8);
        File.WriteAllBytes(path, file);
        Assert.Throws<CorruptionException>(() => SafetensorsReader.Open(path));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(long.MaxValue)]
    public void A_header_length_that_does_not_fit_is_refused(long length) =>
        Assert.Throws<CorruptionException>(() => SafetensorsReader.Open(Raw(length, "{}", 0)));

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        using var buffer = new NativeBuffer(10);
        string path = Written(stream => SafetensorsFile.Write(stream, [("x", [10], buffer, 0, 10)]));
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Throws<CorruptionException>(() => SafetensorsReader.Open(path));
        }
    }

    [Fact]
    public void Reading_what_is_not_there_is_refused_by_name()
    {
        using var buffer = new NativeBuffer(10);
        string path = Written(stream => SafetensorsFile.Write(stream, [("x", [10], buffer, 0, 10)]));
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        Assert.Contains("no tensor y", Assert.Throws<BadInputException>(() => reader.Read("y", new float[10].AsSpan())).Message);
        Assert.Contains("x", Assert.Throws<BadInputException>(() => reader.Read("x", new float[9].AsSpan())).Where);
        Assert.Equal("F32", Assert.Throws<BadInputException>(() => reader.Read("x", new long[10].AsSpan())).Found);
        Assert.Throws<BadInputException>(() => SafetensorsReader.Open(Path.Combine(_folder, "none")));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Written(Action<FileStream> write)
    {
        string path = Path.Combine(_folder, "x.safetensors");
        AtomicFile.Write(path, write);
        return path;
    }

    private string Raw(long headerLength, string header, int dataBytes)
    {
        byte[] text = Encoding.UTF8.GetBytes(header), file = new byte[8 + text.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, headerLength);
        text.CopyTo(file, 8);
        string path = Path.Combine(_folder, "raw.safetensors");
        File.WriteAllBytes(path, file);
        return path;
    }
}
