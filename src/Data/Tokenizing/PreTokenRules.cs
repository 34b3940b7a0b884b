namespace ElasticTrain.Data;

/// <summary>
/// The expressions of <see cref="PreTokenizations.Expressions"/> written out: one look at each character, and no backtracking. Unlike .NET's
/// regular expressions they know the classes of characters beyond U+FFFF.
/// </summary>
internal static class PreTokenRules
{
    private const int Letter = CodePoint.Letter, Mark = CodePoint.Mark, Number = CodePoint.Number, Space = CodePoint.Space, LineEnd = CodePoint.LineEnd,
        Sign = CodePoint.Punctuation | CodePoint.Symbol;

    /// <summary>Adds the end of each piece, in code points.</summary>
    internal static void Cut(PreTokenization rules, ReadOnlySpan<CodePoint> text, List<int> ends)
    {
        if (rules == PreTokenization.DeepSeekV3)
        {
            DeepSeekV3(text, ends);
            return;
        }
        for (int at = 0; at < text.Length;)
        {
            at = rules == PreTokenization.Gpt2 ? Gpt2(text, at) : Cl100k(text, at);
            ends.Add(at);
        }
    }

    private static int Gpt2(ReadOnlySpan<CodePoint> text, int at)
    {
        if (Contraction(text, at, anyCase: false) is > 0 and var length) return at + length;
        int body = AfterBlank(text, at);
        if (body < text.Length)
        {
            if (text[body].Is(Letter)) return EndOf(text, body, Letter);
            if (text[body].Is(Number)) return EndOf(text, body, Number);
            if (!text[body].Is(Space)) return EndWithout(text, body, Space | Letter | Number);
        }
        return Blanks(text, at);
    }

    private static int Cl100k(ReadOnlySpan<CodePoint> text, int at)
    {
        if (Contraction(text, at, anyCase: true) is > 0 and var length) return at + length;
        CodePoint first = text[at];
        if (first.Is(Letter)) return EndOf(text, at, Letter);
        if (!first.Is(LineEnd | Number) && IsAt(text, at + 1, Letter)) return EndOf(text, at + 1, Letter);
        if (first.Is(Number)) return Digits(text, at);
        int body = AfterBlank(text, at);
        if (body < text.Length && !text[body].Is(Space | Letter | Number)) return EndOf(text, EndWithout(text, body, Space | Letter | Number), LineEnd);
        return LinesOrBlanks(text, at);
    }

    private static void DeepSeekV3(ReadOnlySpan<CodePoint> text, List<int> ends)
    {
        for (int at = 0; at < text.Length;)
        {
            if (text[at].Is(Number))
            {
                ends.Add(at = Digits(text, at));
                continue;
            }
            bool isCjk = text[at].Is(CodePoint.Cjk);
            int end = at + 1;
            while (end < text.Length && !text[end].Is(Number) && text[end].Is(CodePoint.Cjk) == isCjk) end++;
            DeepSeekV3Piece(text[at..end], at, ends);
            at = end;
        }
    }

    private static void DeepSeekV3Piece(ReadOnlySpan<CodePoint> piece, int start, List<int> ends)
    {
        int done = 0;
        for (int at = 0; at < piece.Length;)
        {
            int end = DeepSeekV3Match(piece, at);
            if (end == at)
            {
                at++;
                continue;
            }
            if (done < at) ends.Add(start + at);
            ends.Add(start + end);
            done = at = end;
        }
        if (done < piece.Length) ends.Add(start + piece.Length);
    }

    /// <summary>The end of the match that begins here; <paramref name="at"/> itself if none does, as at a control character.</summary>
    private static int DeepSeekV3Match(ReadOnlySpan<CodePoint> piece, int at)
    {
        CodePoint first = piece[at];
        if (first.IsAsciiPunctuation && at + 1 < piece.Length && piece[at + 1].IsAsciiLetter)
        {
            int end = at + 2;
            while (end < piece.Length && piece[end].IsAsciiLetter) end++;
            return end;
        }
        if (first.Is(Letter | Mark)) return EndOf(piece, at, Letter | Mark);
        if (!first.Is(LineEnd | Sign) && IsAt(piece, at + 1, Letter | Mark)) return EndOf(piece, at + 1, Letter | Mark);
        int body = AfterBlank(piece, at);
        if (IsAt(piece, body, Sign)) return EndOf(piece, EndOf(piece, body, Sign), LineEnd);
        return first.Is(Space) ? LinesOrBlanks(piece, at) : at;
    }

    /// <summary>Length of 's 't 're 've 'm 'll 'd, or 0.</summary>
    private static int Contraction(ReadOnlySpan<CodePoint> text, int at, bool anyCase)
    {
        if (text[at].Value != '\'' || at + 1 >= text.Length) return 0;
        int first = Folded(text[at + 1], anyCase);
        if (first is 's' or 't' or 'm' or 'd') return 2;
        if (first is not ('r' or 'v' or 'l') || at + 2 >= text.Length) return 0;
        return Folded(text[at + 2], anyCase) == (first == 'l' ? 'l' : 'e') ? 3 : 0;
    }

    // The long s is an s of another case.
    private static int Folded(CodePoint letter, bool anyCase) =>
        !anyCase ? letter.Value : letter.IsAsciiLetter ? letter.Value | 0x20 : letter.Value == 0x17F ? 's' : letter.Value;

    private static int Digits(ReadOnlySpan<CodePoint> text, int at)
    {
        int end = at + 1;
        while (end < at + 3 && IsAt(text, end, Number)) end++;
        return end;
    }

    /// <summary>White space up to its last line end; without one, all of it but the blank that belongs to what follows.</summary>
    private static int LinesOrBlanks(ReadOnlySpan<CodePoint> text, int at)
    {
        int end = EndOf(text, at, Space);
        for (int last = end - 1; last >= at; last--)
            if (text[last].Is(LineEnd)) return last + 1;
        return Blanks(end, at, text.Length);
    }

    private static int Blanks(ReadOnlySpan<CodePoint> text, int at) => Blanks(EndOf(text, at, Space), at, text.Length);

    private static int Blanks(int end, int at, int length) => end == length || end == at + 1 ? end : end - 1;

    private static int AfterBlank(ReadOnlySpan<CodePoint> text, int at) => text[at].Value == ' ' ? at + 1 : at;

    private static bool IsAt(ReadOnlySpan<CodePoint> text, int at, int classes) => at < text.Length && text[at].Is(classes);

    private static int EndOf(ReadOnlySpan<CodePoint> text, int at, int classes)
    {
        while (at < text.Length && text[at].Is(classes)) at++;
        return at;
    }

    private static int EndWithout(ReadOnlySpan<CodePoint> text, int at, int classes)
    {
        while (at < text.Length && !text[at].Is(classes)) at++;
        return at;
    }
}
