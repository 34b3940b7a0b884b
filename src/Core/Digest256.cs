using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ElasticTrain.Core;

/// <summary>A SHA-256 value: 32 bytes, compared by content, printed as lower-case hexadecimal.</summary>
public readonly record struct Digest256
{
    /// <summary>Size in bytes.</summary>
    public const int Size = 32;

    private readonly ulong _a, _b, _c, _d;

    /// <summary>Reads a digest from 32 bytes.</summary>
    /// <exception cref="ArgumentException">The span does not hold exactly 32 bytes.</exception>
    public Digest256(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size) throw new ArgumentException($"A digest has {Size} bytes, found {bytes.Length}.", nameof(bytes));
        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    /// <summary>The first eight hexadecimal digits, for messages.</summary>
    public string Short => ToString()[..8];

    /// <summary>Whether this is the all-zero value that stands for "none".</summary>
    public bool IsZero => (_a | _b | _c | _d) == 0;

    /// <summary>Writes the 32 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    /// <summary>SHA-256 of the bytes.</summary>
    public static Digest256 Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[Size];
        SHA256.HashData(bytes, hash);
        return new Digest256(hash);
    }

    /// <summary>SHA-256 of the text in UTF-8.</summary>
    public static Digest256 Of(string text) => Of(Encoding.UTF8.GetBytes(text));

    /// <summary>Reads 64 hexadecimal digits.</summary>
    /// <exception cref="FormatException">The text is anything else.</exception>
    public static Digest256 Parse(string hex)
    {
        if (hex.Length != 2 * Size) throw new FormatException($"A digest has {2 * Size} hexadecimal digits, found {hex.Length}.");
        return new Digest256(Convert.FromHexString(hex));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }
}

/// <summary>Feeds typed values to SHA-256 in a fixed byte order, so that a digest means the same on every machine.</summary>
public sealed class DigestBuilder : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Appends a 64-bit integer, little-endian.</summary>
    public DigestBuilder Add(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        _hash.AppendData(bytes);
        return this;
    }

    /// <summary>Appends another digest.</summary>
    public DigestBuilder Add(Digest256 value)
    {
        Span<byte> bytes = stackalloc byte[Digest256.Size];
        value.CopyTo(bytes);
        _hash.AppendData(bytes);
        return this;
    }

    /// <summary>Appends a 128-bit value, little-endian.</summary>
    public DigestBuilder Add(UInt128 value) => Add((long)(ulong)value).Add((long)(ulong)(value >> 64));

    /// <summary>Appends text as its UTF-8 length and bytes, so that neighbouring texts cannot run together.</summary>
    public DigestBuilder Add(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Add(bytes.Length);
        _hash.AppendData(bytes);
        return this;
    }

    /// <summary>Appends raw bytes without a length.</summary>
    public DigestBuilder Add(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        return this;
    }

    /// <summary>The digest of everything appended; the builder starts afresh.</summary>
    public Digest256 Finish()
    {
        Span<byte> hash = stackalloc byte[Digest256.Size];
        _hash.GetHashAndReset(hash);
        return new Digest256(hash);
    }

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();
}
