namespace ElasticTrain.Data.Deduplication;

/// <summary>The hashes of all windows of so many words, or of the whole text if it has fewer, at the cost of one step per word.</summary>
internal ref struct RollingWindows
{
    // Odd, from the golden ratio: a polynomial in it, modulo 2^64, is mixed before it is used.
    private const ulong Base = 0x9E3779B97F4A7C15;

    private readonly ulong[] _last;
    private readonly ulong _leaving;
    private WordScanner _words;
    private ulong _sum;
    private long _read;

    internal RollingWindows(ReadOnlySpan<byte> text, int length)
    {
        _last = new ulong[length];
        _words = new WordScanner(text);
        _leaving = 1;
        for (int i = 0; i < length; i++) _leaving *= Base;
    }

    /// <summary>Reads the next windows; 0 at the end.</summary>
    internal int Read(scoped Span<ulong> hashes)
    {
        int count = 0;
        while (count < hashes.Length)
        {
            if (!_words.MoveNext())
            {
                if (_read == 0 || _read >= _last.Length) break;
                hashes[count++] = WordScanner.Mix(_sum + (ulong)_read);
                _read = 0;
                break;
            }
            ref ulong place = ref _last[_read++ % _last.Length];
            _sum = _sum * Base + _words.Word - place * _leaving;
            place = _words.Word;
            if (_read >= _last.Length) hashes[count++] = WordScanner.Mix(_sum);
        }
        return count;
    }
}
