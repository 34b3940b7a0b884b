namespace ElasticTrain.Data.Sources;

/// <summary>
/// Watches how far a compressed file expands, and turns what decompressors say about damage into one kind of error. It asks for blocks of one size, so that
/// what comes before a stop is the same wherever reading began.
/// </summary>
/// <param name="data">The decompressed bytes; disposed with this stream.</param>
/// <param name="consumed">Bytes of the file that were taken so far.</param>
/// <param name="options">The limits.</param>
internal sealed class ExpansionGuard(Stream data, Func<long> consumed, SourceOptions options) : ReadOnlyStream
{
    private readonly byte[] _block = new byte[64 << 10];
    private int _start, _end;
    private long _expanded;
    private bool _isEnd;
    private DamagedSourceException? _damage;

    public override int Read(Span<byte> buffer)
    {
        if (_start == _end && !_isEnd) FillBlock();
        if (_start == _end) return _damage is null ? 0 : throw _damage;
        int count = Math.Min(buffer.Length, _end - _start);
        _block.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) data.Dispose();
        base.Dispose(disposing);
    }

    private void FillBlock()
    {
        (_start, _end) = (0, 0);
        try
        {
            while (!_isEnd && _end < _block.Length)
            {
                int read = data.Read(_block.AsSpan(_end));
                _end += read;
                _isEnd = read == 0;
            }
        }
        catch (DamagedSourceException damage)
        {
            (_damage, _isEnd) = (damage, true);
        }
        catch (Exception error) when (error is ZstdSharp.ZstdException or EndOfStreamException)
        {
            string reason = error is EndOfStreamException ? "the zstd file is cut off" : $"corrupt zstd data: {error.Message}";
            (_damage, _isEnd) = (new DamagedSourceException(QuarantineKind.Damaged, reason, error), true);
        }
        _expanded += _end;
        CheckExpansion();
    }

    private void CheckExpansion()
    {
        long read = consumed();
        bool isBomb = _expanded > options.MaxExpandedBytes || (_expanded > options.ExpansionFrom && _expanded / options.MaxExpansion > read);
        if (!isBomb) return;
        _end = 0;
        _isEnd = true;
        string limit = $"at most {options.MaxExpansion} times as many beyond {options.ExpansionFrom}, and at most {options.MaxExpandedBytes}";
        _damage = new DamagedSourceException(QuarantineKind.Expansion, $"{read} bytes expand to {_expanded} and more; allowed are {limit}");
    }
}
