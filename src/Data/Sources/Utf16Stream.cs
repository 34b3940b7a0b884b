using System.Buffers;
using System.Buffers.Binary;
using System.Text.Unicode;

namespace ElasticTrain.Data.Sources;

/// <summary>
/// UTF-16 as UTF-8. Half of a surrogate pair becomes three bytes that are no UTF-8, so that the record that holds it is found and kept out like one with
/// any other invalid byte, and the rest of the file is read.
/// </summary>
/// <param name="utf16">The text without its byte order mark; disposed with this stream.</param>
/// <param name="isBigEndian">The byte order.</param>
internal sealed class Utf16Stream(Stream utf16, bool isBigEndian) : ReadOnlyStream
{
    private readonly byte[] _in = new byte[32 << 10], _out = new byte[96 << 10];
    private int _inCount, _start, _end;
    private bool _isEnd;

    public override int Read(Span<byte> buffer)
    {
        while (_start == _end)
        {
            if (_isEnd) return 0;
            Transcode();
        }
        int count = Math.Min(buffer.Length, _end - _start);
        _out.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) utf16.Dispose();
        base.Dispose(disposing);
    }

    private void Transcode()
    {
        int read = utf16.Read(_in.AsSpan(_inCount));
        _isEnd = read == 0;
        _inCount += read;
        if (_isEnd && (_inCount & 1) != 0) throw new DamagedSourceException(QuarantineKind.Damaged, "half of a UTF-16 unit at the end");

        Span<char> units = new char[_inCount / 2];
        for (int i = 0; i < units.Length; i++)
        {
            var pair = _in.AsSpan(2 * i, 2);
            units[i] = (char)(isBigEndian ? BinaryPrimitives.ReadUInt16BigEndian(pair) : BinaryPrimitives.ReadUInt16LittleEndian(pair));
        }
        (_start, _end) = (0, 0);
        int used = Encode(units);
        _in.AsSpan(2 * used, _inCount - (2 * used)).CopyTo(_in);
        _inCount -= 2 * used;
    }

    private int Encode(ReadOnlySpan<char> units)
    {
        int used = 0;
        while (used < units.Length)
        {
            var status = Utf8.FromUtf16(units[used..], _out.AsSpan(_end), out int read, out int written, replaceInvalidSequences: false, isFinalBlock: _isEnd);
            used += read;
            _end += written;
            if (status == OperationStatus.Done) return used;
            // The first half of a pair at the end of the block: the other half comes with the next.
            if (status == OperationStatus.NeedMoreData) return used;
            char half = units[used++];
            _out[_end++] = (byte)(0xE0 | (half >> 12));
            _out[_end++] = (byte)(0x80 | ((half >> 6) & 0x3F));
            _out[_end++] = (byte)(0x80 | (half & 0x3F));
        }
        return used;
    }
}
