namespace ElasticTrain.Data.Sources;

/// <summary>Cuts the bytes of a file into lines with a buffer that grows no further than the longest line allowed.</summary>
/// <param name="bytes">The file, wherever it stands.</param>
/// <param name="maxLineBytes">Longer lines are skipped.</param>
internal sealed class LineReader(SourceBytes bytes, int maxLineBytes)
{
    private const int FirstBuffer = 256 << 10, KeptBytes = 1 << 10;

    private byte[] _buffer = new byte[Math.Min(FirstBuffer, maxLineBytes + 1)];
    private byte[]? _beginning;
    private int _start, _end, _length, _next;
    private bool _isEnd;

    /// <summary>What <see cref="Next"/> found.</summary>
    internal enum Result
    {
        /// <summary>A line.</summary>
        Line,

        /// <summary>A line that was skipped; its beginning is there.</summary>
        TooLong,

        /// <summary>No line any more; bytes that damage cut off are there.</summary>
        End,
    }

    /// <summary>The line without its end.</summary>
    internal ReadOnlySpan<byte> Line => _beginning ?? _buffer.AsSpan(_start, _length);

    /// <summary>Where the line begins.</summary>
    internal long Offset { get; private set; } = bytes.Offset;

    /// <summary>Where the line after it begins.</summary>
    internal long NextOffset { get; private set; } = bytes.Offset;

    /// <summary>Finds the next line.</summary>
    internal Result Next()
    {
        _start = _next;
        _beginning = null;
        Offset = NextOffset;
        for (int searched = 0; ;)
        {
            int end = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (end >= 0) return Found(searched + end, 1);
            searched = _end - _start;
            if (_isEnd) return Last(searched);
            if (searched > maxLineBytes) return SkipLine();
            Refill();
        }
    }

    private Result Found(int length, int lineEnd)
    {
        _length = length;
        _next = _start + length + lineEnd;
        NextOffset = Offset + length + lineEnd;
        return Result.Line;
    }

    private Result Last(int left)
    {
        // Damage leaves half a line.
        if (left > 0 && bytes.Damage is null) return Found(left, 0);
        _length = left;
        return Result.End;
    }

    private void Refill()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        if (_end == _buffer.Length) Array.Resize(ref _buffer, (int)Math.Min(maxLineBytes + 1L, 2L * _buffer.Length));
        int read = bytes.Fill(_buffer.AsSpan(_end));
        _isEnd = read < _buffer.Length - _end;
        _end += read;
    }

    /// <summary>Reads on to the line's end; how the line began is kept.</summary>
    private Result SkipLine()
    {
        _beginning = _buffer.AsSpan(_start, Math.Min(KeptBytes, _end - _start)).ToArray();
        int begun = _end - _start;
        (_end, _next, long skipped) = bytes.SkipLine(_buffer);
        _isEnd = _end < _buffer.Length;
        NextOffset = Offset + begun + skipped;
        return Result.TooLong;
    }
}
