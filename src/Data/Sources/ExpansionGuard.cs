namespace ElasticTrain.Data.Sources;

/// <summary>
/// Watches how far a compressed file expands, and turns what decompressors say about damage into one kind of error. It asks for blocks of one size, so that
/// what comes before a stop is the same wherever reading began.
/// </summary>
/// <param name="data">The decompressed bytes; disposed with this stream.</param>
/// <param name="consumed">Bytes of the file that were taken so far.</param>
/// <param name="options">The limits.</param>
internal sealed class ExpansionGuard(Stream data, Func<long> consumed, SourceOptions options) : BlockStream(data, BlockBytes)
{
    private const int BlockBytes = 64 << 10;

    private readonly Stream _data = data;
    private long _expanded;
    private bool _isEnd;
    private DamagedSourceException? _damage;

    protected override int? FillBlock(Span<byte> block)
    {
        if (_isEnd) return _damage is null ? null : throw _damage;
        int filled = 0;
        try
        {
            while (!_isEnd && filled < block.Length)
            {
                int read = _data.Read(block[filled..]);
                filled += read;
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
        _expanded += filled;
        return IsBomb() ? 0 : filled;
    }

    /// <summary>Whether the file has expanded further than allowed: then nothing of the block is delivered, and nothing after it.</summary>
    private bool IsBomb()
    {
        long read = consumed();
        if (_expanded <= options.MaxExpandedBytes && (_expanded <= options.ExpansionFrom || _expanded / options.MaxExpansion <= read)) return false;
        _isEnd = true;
        string limit = $"at most {options.MaxExpansion} times as many beyond {options.ExpansionFrom}, and at most {options.MaxExpandedBytes}";
        _damage = new DamagedSourceException(QuarantineKind.Expansion, $"{read} bytes expand to {_expanded} and more; allowed are {limit}");
        return true;
    }
}
