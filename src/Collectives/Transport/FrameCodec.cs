using System.Buffers.Binary;
using System.IO.Hashing;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>
/// The bytes of a frame header, all numbers little-endian; the payload follows.
/// <code>
/// offset size field
///      0    4 magic "ETDP"
///      4    2 protocol version (its place is the same in every version)
///      6    1 kind, see FrameKind
///      7    1 element type, see ElementType
///      8    8 request id
///     16   16 run id (big-endian GUID, so that it reads as it prints)
///     32    8 lineage: step
///     40   32 lineage: digest
///     72    4 shard
///     76    4 replica
///     80    4 block: first rank
///     84    4 block: one past the last rank
///     88    8 payload length in bytes
///     96   16 XxHash128 of the payload (low half first)
///    112    1 kind of a refusal, see RefusalKind; 0 in other frames
///    113    7 attempt at the step; 0 in frames that belong to none
///    120    8 XxHash3-64 of bytes 0..119
/// </code>
/// The header has a checksum of its own, which covers the payload's digest: lengths are believed, and memory is taken, only after it fits.
/// </summary>
public static class FrameCodec
{
    /// <summary>The protocol version that this build speaks.</summary>
    public const ushort ProtocolVersion = 2;

    /// <summary>Bytes of a header.</summary>
    public const int HeaderLength = 128;

    private const uint Magic = 0x50445445;
    private const int ChecksumOffset = 120;

    /// <summary>Writes a header.</summary>
    /// <param name="header">What to write.</param>
    /// <param name="bytes">At least <see cref="HeaderLength"/> bytes.</param>
    public static void Write(in FrameHeader header, Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[4..], ProtocolVersion);
        bytes[6] = (byte)header.Kind;
        bytes[7] = (byte)header.ElementType;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], header.RequestId);
        header.Run.Value.TryWriteBytes(bytes[16..], bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], header.Lineage.Step.Value);
        header.Lineage.Digest.CopyTo(bytes[40..]);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[72..], header.Shard.Value);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[76..], header.Replica.Value);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[80..], header.Block.Lo);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[84..], header.Block.Hi);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[88..], header.PayloadLength);
        BinaryPrimitives.WriteUInt128LittleEndian(bytes[96..], header.PayloadDigest);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[112..], (byte)header.Refusal | ((ulong)header.Attempt.Value << 8));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[ChecksumOffset..], XxHash3.HashToUInt64(bytes[..ChecksumOffset]));
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="bytes">At least <see cref="HeaderLength"/> bytes.</param>
    /// <param name="peer">Who sent it, for messages.</param>
    /// <exception cref="CorruptionException">No header, or a damaged one.</exception>
    /// <exception cref="DataPlaneRefusedException">The peer speaks another protocol version.</exception>
    public static FrameHeader Read(ReadOnlySpan<byte> bytes, string peer)
    {
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (magic != Magic) throw new CorruptionException($"The frame from {peer}", $"the magic number {magic:x8}", $"{Magic:x8}");
        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]);
        if (version != ProtocolVersion)
            throw new DataPlaneRefusedException($"{peer} speaks version {version} of the data-plane protocol, this node speaks version {ProtocolVersion}");
        ulong found = BinaryPrimitives.ReadUInt64LittleEndian(bytes[ChecksumOffset..]), expected = XxHash3.HashToUInt64(bytes[..ChecksumOffset]);
        if (found != expected) throw new CorruptionException($"The frame header from {peer}", $"checksum {found:x16}", $"{expected:x16}");
        var header = new FrameHeader(
            (FrameKind)bytes[6],
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            new RunId(new Guid(bytes.Slice(16, 16), bigEndian: true)),
            new Lineage(new Step(BinaryPrimitives.ReadInt64LittleEndian(bytes[32..])), new Digest256(bytes.Slice(40, Digest256.Size))),
            new ShardId(BinaryPrimitives.ReadInt32LittleEndian(bytes[72..])),
            new ReplicaId(BinaryPrimitives.ReadInt32LittleEndian(bytes[76..])),
            new RankRange(BinaryPrimitives.ReadInt32LittleEndian(bytes[80..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[84..])),
            (ElementType)bytes[7],
            BinaryPrimitives.ReadInt64LittleEndian(bytes[88..]),
            BinaryPrimitives.ReadUInt128LittleEndian(bytes[96..]),
            (RefusalKind)bytes[112],
            new Attempt((long)(BinaryPrimitives.ReadUInt64LittleEndian(bytes[112..]) >> 8)));
        if (header.PayloadLength < 0) throw new CorruptionException($"The frame from {peer}", $"a payload of {header.PayloadLength} bytes", "0 or more");
        return header;
    }

    /// <summary>A whole frame as bytes; its payload length and digest are filled in.</summary>
    public static byte[] Encode(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[HeaderLength + payload.Length];
        Write(header with { PayloadLength = payload.Length, PayloadDigest = XxHash128.HashToUInt128(payload) }, frame);
        payload.CopyTo(frame.AsSpan(HeaderLength));
        return frame;
    }
}
