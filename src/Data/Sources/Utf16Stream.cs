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
internal sealed class Utf16Stream(Stream utf16, bool isBigEndian) : BlockStream(utf16, 3 * InBytes)
{
    private const int InBytes = 32 << 10;

    private readonly Stream _utf16 = utf16;
    private readonly byte[] _in = new byte[InBytes];
    private int _inCount;
    private bool _isEnd;

    protected override int? FillBlock(Span<byte> block)
    {
        if (_isEnd) return null;
        int read = _utf16.Read(_in.AsSpan(_inCount));
        _isEnd = read == 0;
        _inCount += read;
        if (_isEnd && (_inCount & 1) != 0) throw new DamagedSourceException(QuarantineKind.Damaged, "half of a UTF-16 unit at the end");

        Span<char> units = new char[_inCount / 2];
        for (int i = 0; i < units.Length; i++)
        {
            var pair = _in.AsSpan(2 * i, 2);
            units[i] = (char)(isBigEndian ? BinaryPrimitives.ReadUInt16BigEndian(pair) : BinaryPrimitives.ReadUInt16LittleEndian(pair));
        }
        int used = Encode(units, block, out int filled);
        _in.AsSpan(2 * used, _inCount - (2 * used)).CopyTo(_in);
        _inCount -= 2 * used;
        return filled;
    }

    private int Encode(ReadOnlySpan<char> units, Span<byte> block, out int filled)
    {
        int used = 0;
        filled = 0;
        while (used < units.Length)
        {
            var status = Utf8.FromUtf16(units[used..], block[filled..], out int read, out int written, replaceInvalidSequences: false, isFinalBlock: _isEnd);
            used += read;
            filled += written;
            if (status == OperationStatus.Done) return used;
            // The first half of a pair at the end of the block: the other half comes with the next.
            if (status == OperationStatus.NeedMoreData) return used;
            char half = units[used++];
            block[filled++] = (byte)(0xE0 | (half >> 12));
            block[filled++] = (byte)(0x80 | ((half >> 6) & 0x3F));
            block[filled++] = (byte)(0x80 | (half & 0x3F));
        }
        return used;
    }
}
