namespace ElasticTrain.Data.Cleaning;

/// <summary>What one pass over a line finds out.</summary>
/// <param name="Start">Its first unit.</param>
/// <param name="End">Behind its last unit, the line end left out.</param>
/// <param name="Tokens">Words and signs.</param>
/// <param name="Sentences">At least one if there is any token.</param>
/// <param name="Chunks">Pieces between white space.</param>
/// <param name="LongestChunk">UTF-16 units.</param>
internal readonly record struct LineFacts(int Start, int End, int Tokens, int Sentences, int Chunks, int LongestChunk)
{
    /// <summary>Looks at a line, and adds its tokens to a table if there is one.</summary>
    internal static LineFacts Of(ReadOnlySpan<char> text, int start, int end, TokenTable? table)
    {
        int tokens = 0, sentences = 0, chunks = 0, longest = 0, chunkStart = start;
        bool isBetween = true, isEnded = false;
        for (int at = start; at < end;)
        {
            if ((WordCharacters.Class(text[at]) & WordCharacters.Space) != 0)
            {
                if (!isBetween) longest = Math.Max(longest, at - chunkStart);
                isBetween = true;
                at++;
                continue;
            }
            if (isBetween)
            {
                chunks++;
                chunkStart = at;
                isBetween = false;
            }
            TokenSpan token = TokenSpan.At(text, at, end);
            table?.Add(text, token);
            if (tokens++ == 0) sentences = 1;
            if (!token.IsWord) isEnded |= EndsSentence(text[at], token.Points);
            else if (isEnded)
            {
                sentences++;
                isEnded = false;
            }
            at = token.End;
        }
        if (!isBetween) longest = Math.Max(longest, end - chunkStart);
        return new LineFacts(start, end, tokens, sentences, chunks, longest);
    }

    // Three full stops leave a sentence open.
    private static bool EndsSentence(char sign, int times) => sign == '.' ? times == 1 : WordCharacters.SentenceEnds.Contains(sign, StringComparison.Ordinal);
}
