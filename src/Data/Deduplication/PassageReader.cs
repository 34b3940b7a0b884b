namespace ElasticTrain.Data.Deduplication;

/// <summary>Cuts a text into lines or paragraphs and hashes its passages.</summary>
internal static class PassageReader
{
    /// <summary>A line or paragraph with its line end, and the blank lines that follow it.</summary>
    /// <param name="Start">Offset of its first byte.</param>
    /// <param name="End">Offset behind its last one.</param>
    /// <param name="Hash">Of its words; punctuation, case and white space do not count.</param>
    /// <param name="Words">How many.</param>
    internal readonly record struct Unit(int Start, int End, ulong Hash, int Words);

    /// <summary>The units of a text. Blank lines before the first belong to it.</summary>
    internal static List<Unit> Units(ReadOnlySpan<byte> text, PassageUnit kind)
    {
        var units = new List<Unit>();
        (int start, int at) = (0, 0);
        ulong hash = 0;
        int words = 0;
        bool open = false, blankSince = false;
        while (at < text.Length)
        {
            int end = text[at..].IndexOf((byte)'\n');
            end = end < 0 ? text.Length : at + end + 1;
            ReadOnlySpan<byte> line = text[at..end];
            bool isBlank = line.IndexOfAnyExcept(" \t\r\n\v\f"u8) < 0;
            if (!isBlank && open && (kind == PassageUnit.Line || blankSince))
            {
                units.Add(new Unit(start, at, hash, words));
                (start, hash, words) = (at, 0, 0);
            }
            if (isBlank) blankSince = true;
            else
            {
                (open, blankSince) = (true, false);
                var scanner = new WordScanner(line);
                for (; scanner.MoveNext(); words++) hash = WordScanner.Mix(hash ^ scanner.Word);
            }
            at = end;
        }
        if (open) units.Add(new Unit(start, text.Length, hash, words));
        return units;
    }

    /// <summary>The hash of the passage that starts at a unit, or null if it has too few words.</summary>
    internal static ulong? Passage(List<Unit> units, int first, PassageOptions options)
    {
        (ulong hash, int words) = ((ulong)options.Length, 0);
        for (int i = first; i < first + options.Length; i++)
        {
            hash = WordScanner.Mix(hash ^ units[i].Hash) + 1;
            words += units[i].Words;
        }
        return words < options.MinWords ? null : hash;
    }
}
