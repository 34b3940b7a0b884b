using System.Buffers;

namespace ElasticTrain.Data.Cleaning;

/// <summary>A text with lines removed where the options say so, and what was measured.</summary>
/// <param name="Text">The text.</param>
/// <param name="Signals">All signals of <see cref="Signal"/> but those of the language.</param>
public readonly record struct MeasuredText(string Text, DocumentSignals Signals);

/// <summary>
/// Measures the signals that the rules of Gopher, C4 and FineWeb judge. As in FineWeb's own pipeline, Gopher's are measured before C4's lines are removed, and
/// FineWeb's afterwards. Pure and thread-safe; memory is about 30 bytes for each token.
/// </summary>
public static class SignalMeter
{
    /// <summary>The words of Gopher's rule, in lower case only.</summary>
    private static readonly string[] StopWords = ["the", "be", "to", "of", "and", "that", "have", "with"];

    [ThreadStatic]
    private static Workspace? s_workspace;

    /// <summary>Measures a text.</summary>
    /// <param name="text">Valid UTF-16 with <c>\n</c> as line end, as <see cref="TextCleaner"/> gives it.</param>
    /// <param name="options">Rules for lines and bad words.</param>
    public static MeasuredText Measure(string text, SignalOptions options)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(options);
        Workspace work = s_workspace ??= new Workspace();
        try
        {
            return Measure(work, text, options);
        }
        finally
        {
            work.Clear();
        }
    }

    internal static double Ratio(long part, long whole) => whole == 0 ? 0 : (double)part / whole;

    private static MeasuredText Measure(Workspace work, string text, SignalOptions options)
    {
        work.Read(text);
        var numbers = new Dictionary<string, double>(64, StringComparer.Ordinal);
        int characters = TextLength.Points(text);
        bool hasPhrases = Phrases.AnyIn(text);
        numbers[Signal.Characters] = characters;
        numbers[Signal.Lines] = work.Lines.Count;
        Words(work, text, numbers);
        LineSignals.Marks(text, work.Lines, numbers);
        LineSignals.Duplicates(text, characters, work.Duplicates, numbers);
        Ngrams(work, characters, numbers);
        numbers[Signal.LoremIpsum] = hasPhrases ? Phrases.Count(text, Phrases.LoremIpsum) : 0;
        numbers[Signal.CurlyBrackets] = text.AsSpan().Count('{');
        numbers[Signal.BadWords] = options.BadWords?.Count(text) ?? 0;
        C4Lines lines = Filter(work, text, characters, options.Lines, hasPhrases, numbers);
        LineSignals.FineWeb(lines.Text, lines.Tokens, work.Duplicates, numbers);
        return new MeasuredText(lines.Text, new DocumentSignals(numbers));
    }

    private static void Words(Workspace work, string text, Dictionary<string, double> numbers)
    {
        TokenTable table = work.Table;
        long words = 0, length = 0, alphabetic = 0;
        int stopWords = 0;
        for (int token = 0; token < table.Distinct; token++)
        {
            TokenSpan span = table[token];
            int times = table.Occurrences(token);
            if (span.HasLetter) alphabetic += times;
            if (!span.IsWord) continue;
            words += times;
            length += (long)times * span.Points;
            if (span.Length <= 4 && Array.IndexOf(StopWords, text.Substring(span.Start, span.Length)) >= 0) stopWords++;
        }
        long sentences = 0;
        foreach (LineFacts line in work.Lines) sentences += line.Sentences;
        numbers[Signal.Tokens] = table.Count;
        numbers[Signal.Words] = words;
        numbers[Signal.Sentences] = sentences;
        numbers[Signal.MeanWordLength] = Ratio(length, words);
        numbers[Signal.AlphabeticTokens] = Ratio(alphabetic, table.Count);
        numbers[Signal.StopWords] = stopWords;
        numbers[Signal.HashesPerToken] = Ratio(text.AsSpan().Count('#'), table.Count);
        numbers[Signal.EllipsesPerToken] = Ratio(text.AsSpan().Count("...") + text.AsSpan().Count('…'), table.Count);
    }

    private static void Ngrams(Workspace work, int characters, Dictionary<string, double> numbers)
    {
        const int Longest = 10, LongestTop = 4;
        ReadOnlySpan<int> tokens = work.Table.Tokens;
        long[] before = ArrayPool<long>.Shared.Rent(tokens.Length + 1);
        before[0] = 0;
        for (int i = 0; i < tokens.Length; i++) before[i + 1] = before[i] + work.Table.Points(tokens[i]);
        work.Ngrams.Start(work.Table);
        for (int n = 2; n <= Longest; n++)
        {
            work.Ngrams.Extend(tokens);
            if (n <= LongestTop)
            {
                (int position, int occurrences) = work.Ngrams.Top();
                long points = occurrences == 0 ? 0 : (before[position + n] - before[position] + n - 1) * occurrences;
                numbers[Signal.TopNgram(n)] = Ratio(points, characters);
            }
            else
            {
                numbers[Signal.DuplicateNgrams(n)] = Ratio(work.Ngrams.DuplicatePoints(before), characters);
            }
        }
        ArrayPool<long>.Shared.Return(before);
    }

    private static C4Lines Filter(Workspace work, string text, int characters, C4LineOptions options, bool hasPhrases, Dictionary<string, double> numbers)
    {
        C4Lines lines = C4Lines.Apply(text, work.Lines, options, hasPhrases);
        numbers[Signal.C4Sentences] = lines.Sentences;
        numbers[Signal.C4LongWordLines] = lines.LongWord;
        numbers[Signal.C4UnpunctuatedLines] = lines.Unpunctuated;
        numbers[Signal.C4ShortLines] = lines.Short;
        numbers[Signal.C4JavascriptLines] = lines.Javascript;
        numbers[Signal.C4PolicyLines] = lines.Policy;
        numbers[Signal.C4Citations] = lines.Citations;
        numbers[Signal.C4RemovedCharacters] = ReferenceEquals(lines.Text, text) ? 0 : characters - TextLength.Points(lines.Text);
        return lines;
    }

    /// <summary>What one thread uses again for each text.</summary>
    private sealed class Workspace
    {
        internal TokenTable Table { get; } = new();

        internal NgramCounter Ngrams { get; } = new();

        internal DuplicateSpans Duplicates { get; } = new();

        internal List<LineFacts> Lines { get; } = [];

        internal void Read(ReadOnlySpan<char> text)
        {
            for (int start = 0; start < text.Length;)
            {
                int found = text[start..].IndexOf('\n'), end = found < 0 ? text.Length : start + found;
                Lines.Add(LineFacts.Of(text, start, end, Table));
                start = end + 1;
            }
        }

        internal void Clear()
        {
            const int MostKept = 1 << 16;
            Table.Clear();
            Lines.Clear();
            if (Lines.Capacity > MostKept) Lines.Capacity = 0;
        }
    }
}
