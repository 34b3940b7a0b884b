namespace ElasticTrain.Data.Sources;

/// <summary>Cuts a long text into sections: behind the last empty line of a section's size, else behind the last line, else behind the first line end that comes.</summary>
/// <param name="bytes">The text, wherever it stands.</param>
/// <param name="sectionBytes">The longest section, unless a line is longer.</param>
/// <param name="maxLineBytes">Longer lines are skipped.</param>
internal sealed class SectionReader(SourceBytes bytes, int sectionBytes, int maxLineBytes)
{
    private const int KeptBytes = 1 << 10;

    // One byte more than a section tells whether the text ends with it. What is cut must not depend on where reading began.
    private byte[] _buffer = new byte[sectionBytes + 1];
    private byte[]? _beginning;
    private int _filled, _length;
    private bool _isEnd;

    /// <summary>The section; of a line that was skipped its beginning.</summary>
    internal ReadOnlySpan<byte> Section => _beginning ?? _buffer.AsSpan(0, _length);

    /// <summary>Where the section begins.</summary>
    internal long Offset { get; private set; } = bytes.Offset;

    /// <summary>Where the next one begins.</summary>
    internal long NextOffset { get; private set; } = bytes.Offset;

    /// <summary>Finds the next section.</summary>
    internal LineReader.Result Next()
    {
        _buffer.AsSpan(_length, _filled - _length).CopyTo(_buffer);
        _filled -= _length;
        _beginning = null;
        Offset = NextOffset;
        if (_buffer.Length > sectionBytes + 1 && _filled <= sectionBytes) Array.Resize(ref _buffer, sectionBytes + 1);
        while (true)
        {
            Fill();
            _length = Cut();
            if (_length > 0 || _isEnd) break;
            if (_buffer.Length >= maxLineBytes) return SkipLine();
            Array.Resize(ref _buffer, (int)Math.Min(maxLineBytes, 2L * _buffer.Length));
        }
        NextOffset = Offset + _length;
        return _length > 0 ? LineReader.Result.Line : LineReader.Result.End;
    }

    private void Fill()
    {
        if (_isEnd) return;
        int read = bytes.Fill(_buffer.AsSpan(_filled));
        _isEnd = read < _buffer.Length - _filled;
        _filled += read;
    }

    private int Cut()
    {
        var text = _buffer.AsSpan(0, Math.Min(_filled, sectionBytes));
        // All that is left is the last section. Damage leaves half a line.
        if (_isEnd && _filled <= sectionBytes) return bytes.Damage is null ? _filled : text.LastIndexOf((byte)'\n') + 1;
        int unix = text.LastIndexOf("\n\n"u8), dos = text.LastIndexOf("\n\r\n"u8);
        if (unix >= 0 || dos >= 0) return Math.Max(unix < 0 ? 0 : unix + 2, dos < 0 ? 0 : dos + 3);
        int line = text.LastIndexOf((byte)'\n');
        if (line < 0) line = _buffer.AsSpan(0, _filled).IndexOf((byte)'\n');
        if (line >= 0) return line + 1;
        return _isEnd && bytes.Damage is null ? _filled : 0;
    }

    /// <summary>Reads on to the line's end; how the line began is kept.</summary>
    private LineReader.Result SkipLine()
    {
        _beginning = _buffer.AsSpan(0, Math.Min(KeptBytes, _filled)).ToArray();
        int begun = _filled;
        _buffer = new byte[sectionBytes + 1];
        (_filled, _length, long skipped) = bytes.SkipLine(_buffer);
        _isEnd = _filled < _buffer.Length;
        NextOffset = Offset + begun + skipped;
        return LineReader.Result.TooLong;
    }
}
