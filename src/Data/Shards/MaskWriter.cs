using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// Writes one bit per token. The file comes into being with the first token that does not count, so that data which counts throughout has no
/// mask, and the same data has the same hash however it was appended.
/// </summary>
internal sealed class MaskWriter(string directory) : IDisposable
{
    private const string FileName = "mask.bin";

    private readonly DigestBuilder _digest = new();
    private readonly byte[] _buffer = new byte[1 << 13];
    private FileStream? _file;
    private long _tokens;
    private int _filled;

    internal void Append(int tokens, ReadOnlySpan<byte> counts)
    {
        if (_file is null)
        {
            if (counts.IsEmpty || !counts.Contains((byte)0))
            {
                _tokens += tokens;
                return;
            }
            long before = _tokens;
            _file = new FileStream(Path.Combine(directory, FileName), FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
            _tokens = 0;
            for (long i = 0; i < before; i++) Put(true);
        }
        for (int i = 0; i < tokens; i++) Put(counts.IsEmpty || counts[i] != 0);
    }

    /// <summary>The mask's index entry and hash, or nulls when every token counts.</summary>
    internal (TokenShardIndex.ShardFile? File, Digest256? Hash) Finish(long tokenCount)
    {
        if (_file is null) return (null, null);
        if ((_tokens & 7) != 0) _filled++;
        Drain();
        _file.Flush(flushToDisk: true);
        _file.Dispose();
        var hash = _digest.Finish();
        return (new TokenShardIndex.ShardFile { Name = FileName, Tokens = tokenCount, Sha256 = hash.ToString() }, hash);
    }

    public void Dispose()
    {
        _file?.Dispose();
        _digest.Dispose();
    }

    private void Put(bool counts)
    {
        if (counts) _buffer[_filled] |= (byte)(1 << (int)(_tokens & 7));
        _tokens++;
        if ((_tokens & 7) != 0) return;
        if (++_filled == _buffer.Length) Drain();
    }

    private void Drain()
    {
        var bytes = _buffer.AsSpan(0, _filled);
        _file!.Write(bytes);
        _digest.Add(bytes);
        bytes.Clear();
        _filled = 0;
    }
}
