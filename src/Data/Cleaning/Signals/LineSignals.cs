namespace ElasticTrain.Data.Cleaning;

/// <summary>Signals of lines and paragraphs.</summary>
internal static class LineSignals
{
    private const int ShortLine = 30;

    /// <summary>Lines that look like items and unfinished ones (Gopher).</summary>
    internal static void Marks(ReadOnlySpan<char> text, List<LineFacts> lines, Dictionary<string, double> numbers)
    {
        int bullets = 0, ellipses = 0;
        foreach (LineFacts line in lines)
        {
            ReadOnlySpan<char> content = text[line.Start..line.End].Trim();
            if (content.IsEmpty) continue;
            if (content[0] is '•' or '-') bullets++;
            if (content[^1] == '…' || content.EndsWith("...", StringComparison.Ordinal)) ellipses++;
        }
        numbers[Signal.BulletLines] = SignalMeter.Ratio(bullets, lines.Count);
        numbers[Signal.EllipsisLines] = SignalMeter.Ratio(ellipses, lines.Count);
    }

    /// <summary>Lines and paragraphs that came before (Gopher).</summary>
    internal static void Duplicates(ReadOnlySpan<char> text, int characters, DuplicateSpans spans, Dictionary<string, double> numbers)
    {
        Split(text, 1, spans);
        numbers[Signal.DuplicateLines] = SignalMeter.Ratio(spans.Duplicates, spans.Count);
        numbers[Signal.DuplicateLineCharacters] = SignalMeter.Ratio(spans.DuplicatePoints, characters);
        Split(text.Trim(), 2, spans);
        numbers[Signal.DuplicateParagraphs] = SignalMeter.Ratio(spans.Duplicates, spans.Count);
        numbers[Signal.DuplicateParagraphCharacters] = SignalMeter.Ratio(spans.DuplicatePoints, characters);
    }

    /// <summary>FineWeb's three signals, and its line ends.</summary>
    internal static void FineWeb(ReadOnlySpan<char> text, int tokens, DuplicateSpans spans, Dictionary<string, double> numbers)
    {
        int lines = 0, punctuated = 0, shorts = 0, ends = 0;
        spans.Clear();
        for (int start = 0; start < text.Length;)
        {
            int found = text[start..].IndexOf('\n'), end = found < 0 ? text.Length : start + found;
            if (found >= 0) ends++;
            ReadOnlySpan<char> line = text[start..end];
            if (!line.IsWhiteSpace())
            {
                lines++;
                spans.Add(text, start, line.Length);
                if (WordCharacters.SentenceEnds.Contains(line[^1], StringComparison.Ordinal)) punctuated++;
                if (line.Length <= ShortLine || line.Length <= 2 * ShortLine && TextLength.Points(line) <= ShortLine) shorts++;
            }
            start = end + 1;
        }
        numbers[Signal.PunctuatedLines] = SignalMeter.Ratio(punctuated, lines);
        numbers[Signal.ShortLines] = SignalMeter.Ratio(shorts, lines);
        numbers[Signal.RepeatedLineCharacters] = SignalMeter.Ratio(spans.DuplicatePoints, TextLength.Points(text) - ends);
        numbers[Signal.LineEndsPerToken] = SignalMeter.Ratio(ends, tokens);
    }

    /// <summary>Adds the pieces between so many line ends or more.</summary>
    private static void Split(ReadOnlySpan<char> text, int lineEnds, DuplicateSpans spans)
    {
        spans.Clear();
        for (int start = 0, at = 0; at <= text.Length;)
        {
            int found = text[at..].IndexOf('\n'), end = found < 0 ? text.Length : at + found, next = end;
            while (next < text.Length && text[next] == '\n') next++;
            if (next == text.Length || next - end >= lineEnds)
            {
                int last = next == text.Length && next - end < lineEnds ? text.Length : end;
                if (last > start) spans.Add(text, start, last - start);
                start = next;
                if (next == text.Length) break;
            }
            at = next;
        }
    }
}
