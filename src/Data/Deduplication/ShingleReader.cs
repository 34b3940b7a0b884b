namespace ElasticTrain.Data.Deduplication;

/// <summary>The hashes of a text's shingles: every run of so many words, or all words of a text that has fewer.</summary>
internal ref struct ShingleReader
{
    private readonly int _length;
    private readonly ulong[] _last;
    private WordScanner _words;
    private long _read;

    /// <summary>Starts at the beginning.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="length">Words per shingle.</param>
    internal ShingleReader(ReadOnlySpan<byte> text, int length)
    {
        _length = length;
        // Twice the words, so that the last ones always stand in one piece.
        _last = new ulong[2 * length];
        _words = new WordScanner(text);
    }

    /// <summary>Reads the next shingles; 0 at the end.</summary>
    internal int Read(scoped Span<ulong> hashes)
    {
        int count = 0;
        while (count < hashes.Length)
        {
            if (!_words.MoveNext())
            {
                if (_read == 0 || _read >= _length) break;
                hashes[count++] = WordScanner.Join(_last.AsSpan(0, (int)_read));
                _read = 0;
                break;
            }
            int place = (int)(_read++ % _length);
            _last[place] = _last[place + _length] = _words.Word;
            if (_read >= _length) hashes[count++] = WordScanner.Join(_last.AsSpan(place + 1, _length));
        }
        return count;
    }
}
