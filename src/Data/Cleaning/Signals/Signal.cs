namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// Names of the signals that <see cref="SignalMeter"/> measures. They are part of stored data: a name never changes its meaning. Fractions are between 0 and 1;
/// of nothing they are 0. Characters are code points; words, tokens and sentences are those of <c>docs/data.md</c>.
/// </summary>
public static class Signal
{
    /// <summary>Characters of the text.</summary>
    public const string Characters = "characters";

    /// <summary>Lines; what follows the last line end is one if it is not empty.</summary>
    public const string Lines = "lines";

    /// <summary>Words and signs.</summary>
    public const string Tokens = "tokens";

    /// <summary>Tokens that are no mere signs.</summary>
    public const string Words = "words";

    /// <summary>Sentences; a line end ends one.</summary>
    public const string Sentences = "sentences";

    /// <summary>Characters of a word, on average.</summary>
    public const string MeanWordLength = "mean-word-length";

    /// <summary><c>#</c> for each token.</summary>
    public const string HashesPerToken = "hashes-per-token";

    /// <summary><c>...</c> and <c>…</c> for each token.</summary>
    public const string EllipsesPerToken = "ellipses-per-token";

    /// <summary>Fraction of lines that begin with <c>•</c> or <c>-</c>, blanks before it left out.</summary>
    public const string BulletLines = "bullet-lines";

    /// <summary>Fraction of lines that end with <c>...</c> or <c>…</c>, blanks after it left out.</summary>
    public const string EllipsisLines = "ellipsis-lines";

    /// <summary>Fraction of tokens with a letter.</summary>
    public const string AlphabeticTokens = "alphabetic-tokens";

    /// <summary>How many of the words the, be, to, of, and, that, have, with occur.</summary>
    public const string StopWords = "stop-words";

    /// <summary>Fraction of lines (not empty) that came before.</summary>
    public const string DuplicateLines = "duplicate-lines";

    /// <summary>Characters of lines that came before, as a fraction of all.</summary>
    public const string DuplicateLineCharacters = "duplicate-line-characters";

    /// <summary>Fraction of paragraphs (between empty lines) that came before.</summary>
    public const string DuplicateParagraphs = "duplicate-paragraphs";

    /// <summary>Characters of paragraphs that came before, as a fraction of all.</summary>
    public const string DuplicateParagraphCharacters = "duplicate-paragraph-characters";

    /// <summary>Fraction of lines that are not blank and end with a terminal punctuation mark; of the text as filtered.</summary>
    public const string PunctuatedLines = "punctuated-lines";

    /// <summary>Fraction of lines that are not blank and have at most 30 characters; of the text as filtered.</summary>
    public const string ShortLines = "short-lines";

    /// <summary>Characters of lines that are not blank and came before, as a fraction of all but line ends; of the text as filtered.</summary>
    public const string RepeatedLineCharacters = "repeated-line-characters";

    /// <summary>Line ends for each token; of the text as filtered.</summary>
    public const string LineEndsPerToken = "line-ends-per-token";

    /// <summary>Occurrences of "lorem ipsum" in any case.</summary>
    public const string LoremIpsum = "lorem-ipsum";

    /// <summary>Occurrences of <c>{</c>.</summary>
    public const string CurlyBrackets = "curly-brackets";

    /// <summary>Occurrences of words of the list that the user gave; 0 without a list.</summary>
    public const string BadWords = "bad-words";

    /// <summary>Sentences in lines that C4's rules keep.</summary>
    public const string C4Sentences = "c4-sentences";

    /// <summary>Lines with a word of more characters than C4 allows.</summary>
    public const string C4LongWordLines = "c4-long-word-lines";

    /// <summary>Lines without a terminal punctuation mark; 0 where that rule is off.</summary>
    public const string C4UnpunctuatedLines = "c4-unpunctuated-lines";

    /// <summary>Lines with too few words for C4.</summary>
    public const string C4ShortLines = "c4-short-lines";

    /// <summary>Lines with the word "javascript".</summary>
    public const string C4JavascriptLines = "c4-javascript-lines";

    /// <summary>Lines with phrases of cookie and privacy notices.</summary>
    public const string C4PolicyLines = "c4-policy-lines";

    /// <summary>Citations (<c>[1]</c>, <c>[edit]</c>, <c>[citation needed]</c>) in lines that C4's rules keep.</summary>
    public const string C4Citations = "c4-citations";

    /// <summary>Characters that were removed with lines and citations; 0 where the text was left as it is.</summary>
    public const string C4RemovedCharacters = "c4-removed-characters";

    /// <summary>E-mail addresses replaced.</summary>
    public const string ScrubbedEmails = "scrubbed-emails";

    /// <summary>Telephone numbers replaced.</summary>
    public const string ScrubbedPhones = "scrubbed-phones";

    /// <summary>IP addresses replaced.</summary>
    public const string ScrubbedAddresses = "scrubbed-addresses";

    /// <summary>Two-letter code (ISO 639-1) of the text's language; a label, not a number.</summary>
    public const string Language = "language";

    /// <summary>How sure the language is, between 0 and 1.</summary>
    public const string LanguageConfidence = "language-confidence";

    /// <summary>Characters of the n-gram that comes most often, all its occurrences, with one space between tokens, as a fraction of all; 0 if none comes twice.</summary>
    /// <param name="n">2, 3 or 4.</param>
    public static string TopNgram(int n) => $"top-{n}-gram-characters";

    /// <summary>Characters of tokens of n-grams that came before, each token once, as a fraction of all.</summary>
    /// <param name="n">5 to 10.</param>
    public static string DuplicateNgrams(int n) => $"duplicate-{n}-gram-characters";
}
