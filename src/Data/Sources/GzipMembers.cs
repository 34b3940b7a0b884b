using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace ElasticTrain.Data.Sources;

/// <summary>
/// Decompresses gzip (RFC 1952), any number of members. .NET's own stream takes a file that is cut off anywhere for one that ends there, and drops what
/// follows a member with a damaged header; here the header and the trailer of each member are read, and only the data between goes to .NET.
/// </summary>
/// <param name="compressed">The file; disposed with this stream.</param>
internal sealed class GzipMembers(Stream compressed) : ReadOnlyStream
{
    private const int TrailerBytes = 8, History = 16, MostChunk = 8 << 10, Capacity = 64 << 10;

    private readonly byte[] _buffer = new byte[Capacity];
    private readonly Crc32 _checksum = new();
    private int _start, _end, _chunkStart;
    private bool _isFileEnd, _isStarved;
    private long _members;
    private uint _length;
    private DeflateStream? _data;

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        while (true)
        {
            if (_data is null && !OpenMember()) return 0;
            int read = Inflate(buffer);
            if (read > 0)
            {
                _checksum.Append(buffer[..read]);
                unchecked { _length += (uint)read; }
                return read;
            }
            if (_isStarved) throw Truncated();
            CloseMember();
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _data?.Dispose();
            compressed.Dispose();
        }
        base.Dispose(disposing);
    }

    private int Inflate(Span<byte> buffer)
    {
        try
        {
            return _data!.Read(buffer);
        }
        catch (InvalidDataException error)
        {
            throw _isStarved ? Truncated() : new DamagedSourceException(QuarantineKind.Damaged, $"corrupt gzip data in member {_members}", error);
        }
    }

    private static DamagedSourceException Truncated() => new(QuarantineKind.Damaged, "the gzip file is cut off");

    /// <summary>Reads a member's header; false at the end of the file.</summary>
    private bool OpenMember()
    {
        if (!Ensure(1)) return false;
        if (_buffer[_start] == 0 && _members > 0) return Padding();
        Ensure(10);
        var fixedPart = _buffer.AsSpan(_start, Math.Min(10, _end - _start));
        bool isGzip = fixedPart[0] == 0x1F && (fixedPart.Length < 2 || fixedPart[1] == 0x8B) && (fixedPart.Length < 3 || fixedPart[2] == 8);
        if (!isGzip) throw new DamagedSourceException(QuarantineKind.Damaged, _members == 0 ? "this is no gzip file" : $"bytes that are no gzip follow member {_members}");
        if (fixedPart.Length < 10) throw Truncated();
        int flags = fixedPart[3];
        _start += 10;
        if ((flags & 4) != 0)
        {
            int extra = NextByte() | (NextByte() << 8);
            while (extra-- > 0) NextByte();
        }
        if ((flags & 8) != 0) SkipText();
        if ((flags & 16) != 0) SkipText();
        if ((flags & 2) != 0) _ = NextByte() | NextByte();
        _members++;
        _length = 0;
        _chunkStart = _start;
        _isStarved = false;
        _data = new DeflateStream(new Feed(this), CompressionMode.Decompress);
        return true;
    }

    /// <summary>Writers of tapes and blocks fill up with zeros.</summary>
    private bool Padding()
    {
        for (; Ensure(1); _start = _end)
        {
            if (_buffer.AsSpan(_start, _end - _start).ContainsAnyExcept((byte)0))
                throw new DamagedSourceException(QuarantineKind.Damaged, $"bytes that are no gzip follow member {_members}");
        }
        return false;
    }

    private void SkipText()
    {
        while (NextByte() != 0) { }
    }

    private byte NextByte() => Ensure(1) ? _buffer[_start++] : throw Truncated();

    /// <summary>
    /// Finds where the data ended: .NET does not say how much of the last chunk it used. The trailer is known from what came out (checksum and length,
    /// eight bytes), so it is looked for. Of several such places side by side, as eight zeros of an empty member can make, the one is right that the end or another
    /// member follows.
    /// </summary>
    private void CloseMember()
    {
        _data!.Dispose();
        _data = null;
        Span<byte> trailer = stackalloc byte[TrailerBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _checksum.GetCurrentHashAsUInt32());
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[4..], _length);
        _checksum.Reset();

        int candidates = _start - _chunkStart;
        _start = _chunkStart;
        Ensure(candidates + TrailerBytes + 2);
        var window = _buffer.AsSpan(_start, _end - _start);
        int found = -1;
        for (int at = 0; at <= candidates && at + TrailerBytes <= window.Length && (found < 0 || at < found + TrailerBytes); at++)
        {
            if (!window[at..].StartsWith(trailer)) continue;
            if (found < 0) found = at;
            var follows = window[(at + TrailerBytes)..];
            if (!follows.IsEmpty && !follows.StartsWith("\x1F"u8)) continue;
            found = at;
            break;
        }
        if (found < 0) throw new DamagedSourceException(QuarantineKind.Damaged, $"the checksum of gzip member {_members} is missing or does not match: the file is cut off or corrupt");
        _start += found + TrailerBytes;
    }

    /// <summary>Whether that many bytes are there to be read.</summary>
    private bool Ensure(int count)
    {
        if (_start + count > Capacity)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        while (_end - _start < count && !_isFileEnd)
        {
            int read = compressed.Read(_buffer, _end, Capacity - _end);
            _isFileEnd = read == 0;
            _end += read;
        }
        return _end - _start >= count;
    }

    /// <summary>Gives .NET the next bytes; the last few and those before them stay in the buffer, because a trailer may stand among them.</summary>
    private int NextChunk(Span<byte> buffer)
    {
        _chunkStart = Math.Max(_chunkStart, _start - History);
        if (_start == _end)
        {
            int kept = _end - _chunkStart;
            _buffer.AsSpan(_chunkStart, kept).CopyTo(_buffer);
            (_chunkStart, _start, _end) = (0, kept, kept);
        }
        if (!Ensure(1))
        {
            _isStarved = true;
            return 0;
        }
        int count = Math.Min(Math.Min(buffer.Length, MostChunk), _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    private sealed class Feed(GzipMembers owner) : ReadOnlyStream
    {
        public override int Read(Span<byte> buffer) => owner.NextChunk(buffer);
    }
}
