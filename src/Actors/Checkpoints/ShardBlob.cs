using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>
/// The bytes of a blob: a safetensors file (https://github.com/huggingface/safetensors, README, "Format") of three flat fp32 tensors,
/// <c>parameters</c>, <c>moment1</c> and <c>moment2</c>. One state of one shard has exactly one sequence of bytes: nothing in it depends
/// on time, node or step. Reading expects that sequence to the byte, so there is no header to be fooled by.
/// </summary>
internal static class ShardBlob
{
    private const int Chunk = 1 << 22;

    /// <summary>Size of the file.</summary>
    internal static long Size(ShardId shard, long parameters, long moments) =>
        Header(shard, parameters, moments).Length + (sizeof(float) * (parameters + (2 * moments)));

    /// <summary>Hands the file's bytes to <paramref name="write"/>, piece by piece and in order.</summary>
    internal static void Produce(
        ShardId shard, ReadOnlySpan<float> parameters, ReadOnlySpan<float> moment1, ReadOnlySpan<float> moment2, Action<ReadOnlySpan<byte>> write)
    {
        if (moment1.Length != moment2.Length)
            throw new ArgumentException($"The moments have {moment1.Length} and {moment2.Length} values; both must have as many.", nameof(moment2));
        write(Header(shard, parameters.Length, moment1.Length));
        Tensor(parameters, write);
        Tensor(moment1, write);
        Tensor(moment2, write);

        static void Tensor(ReadOnlySpan<float> values, Action<ReadOnlySpan<byte>> write)
        {
            for (; !values.IsEmpty; values = values[Math.Min(Chunk, values.Length)..])
                write(MemoryMarshal.AsBytes(values[..Math.Min(Chunk, values.Length)]));
        }
    }

    /// <summary>Reads a file into the spans while hashing it.</summary>
    /// <returns>The SHA-256 of what was read, and whether the header is the one of this shard with these sizes.</returns>
    /// <exception cref="EndOfStreamException">The stream ends early.</exception>
    internal static (Digest256 Hash, bool IsThisShard) Read(
        Stream stream, ShardId shard, Span<float> parameters, Span<float> moment1, Span<float> moment2)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] expected = Header(shard, parameters.Length, moment1.Length), header = new byte[expected.Length];
        stream.ReadExactly(header);
        hash.AppendData(header);
        Tensor(stream, hash, parameters);
        Tensor(stream, hash, moment1);
        Tensor(stream, hash, moment2);
        return (new Digest256(hash.GetHashAndReset()), header.AsSpan().SequenceEqual(expected));

        static void Tensor(Stream stream, IncrementalHash hash, Span<float> values)
        {
            for (; !values.IsEmpty; values = values[Math.Min(Chunk, values.Length)..])
            {
                Span<byte> piece = MemoryMarshal.AsBytes(values[..Math.Min(Chunk, values.Length)]);
                stream.ReadExactly(piece);
                hash.AppendData(piece);
            }
        }
    }

    private static byte[] Header(ShardId shard, long parameters, long moments) => SafetensorsFile.Header(
        [("parameters", [parameters], parameters), ("moment1", [moments], moments), ("moment2", [moments], moments)],
        new Dictionary<string, string> { ["shard"] = shard.Value.ToString(CultureInfo.InvariantCulture) });
}
