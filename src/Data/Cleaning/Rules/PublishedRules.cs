using static ElasticTrain.Data.Cleaning.Comparison;

namespace ElasticTrain.Data.Cleaning;

/// <summary>The published rules with their published thresholds. What a fraction's base is follows datatrove, which FineWeb was made with.</summary>
public static class PublishedRules
{
    private const string GopherQuality = "Rae et al., Scaling Language Models (Gopher), arXiv:2112.11446, appendix A.1.1, quality filtering";
    private const string GopherTable = "Rae et al., Scaling Language Models (Gopher), arXiv:2112.11446, table A1";
    private const string C4Paper = "Raffel et al., Exploring the Limits of Transfer Learning, JMLR 21 (2020), section 2.2";
    private const string FineWebPaper = "Penedo et al., The FineWeb Datasets, arXiv:2406.17557, section 3.6";
    private const string FineWebLanguage = "Penedo et al., The FineWeb Datasets, arXiv:2406.17557, section 3.3";

    /// <summary>
    /// Gopher's rules for quality: 50 to 100,000 words of 3 to 10 characters on average, at most 0.1 <c>#</c> or ellipses for each word, at most 90 % of lines
    /// with bullets and 30 % with ellipses, a letter in 80 % of the words, two stop words.
    /// </summary>
    public static IReadOnlyList<FilterRule> GopherQualityRules { get; } =
    [
        new NumberRule("gopher.min-words", Signal.Words, AtLeast, 50, GopherQuality),
        new NumberRule("gopher.max-words", Signal.Words, AtMost, 100_000, GopherQuality),
        new NumberRule("gopher.min-mean-word-length", Signal.MeanWordLength, AtLeast, 3, GopherQuality),
        new NumberRule("gopher.max-mean-word-length", Signal.MeanWordLength, AtMost, 10, GopherQuality),
        new NumberRule("gopher.max-hashes", Signal.HashesPerToken, AtMost, 0.1, GopherQuality),
        new NumberRule("gopher.max-ellipses", Signal.EllipsesPerToken, AtMost, 0.1, GopherQuality),
        new NumberRule("gopher.max-bullet-lines", Signal.BulletLines, AtMost, 0.9, GopherQuality),
        new NumberRule("gopher.max-ellipsis-lines", Signal.EllipsisLines, AtMost, 0.3, GopherQuality),
        new NumberRule("gopher.min-alphabetic", Signal.AlphabeticTokens, AtLeast, 0.8, GopherQuality),
        new NumberRule("gopher.min-stop-words", Signal.StopWords, AtLeast, 2, GopherQuality),
    ];

    /// <summary>
    /// Gopher's rules for repetition: duplicate lines and paragraphs 0.30, their characters 0.20; the top 2-, 3- and 4-gram 0.20, 0.18, 0.16; duplicate 5- to
    /// 10-grams 0.15, 0.14, 0.13, 0.12, 0.11, 0.10.
    /// </summary>
    public static IReadOnlyList<FilterRule> GopherRepetitionRules { get; } =
    [
        new NumberRule("gopher.max-duplicate-paragraphs", Signal.DuplicateParagraphs, AtMost, 0.3, GopherTable),
        new NumberRule("gopher.max-duplicate-paragraph-characters", Signal.DuplicateParagraphCharacters, AtMost, 0.2, GopherTable),
        new NumberRule("gopher.max-duplicate-lines", Signal.DuplicateLines, AtMost, 0.3, GopherTable),
        new NumberRule("gopher.max-duplicate-line-characters", Signal.DuplicateLineCharacters, AtMost, 0.2, GopherTable),
        new NumberRule("gopher.max-top-2-gram", Signal.TopNgram(2), AtMost, 0.2, GopherTable),
        new NumberRule("gopher.max-top-3-gram", Signal.TopNgram(3), AtMost, 0.18, GopherTable),
        new NumberRule("gopher.max-top-4-gram", Signal.TopNgram(4), AtMost, 0.16, GopherTable),
        new NumberRule("gopher.max-duplicate-5-grams", Signal.DuplicateNgrams(5), AtMost, 0.15, GopherTable),
        new NumberRule("gopher.max-duplicate-6-grams", Signal.DuplicateNgrams(6), AtMost, 0.14, GopherTable),
        new NumberRule("gopher.max-duplicate-7-grams", Signal.DuplicateNgrams(7), AtMost, 0.13, GopherTable),
        new NumberRule("gopher.max-duplicate-8-grams", Signal.DuplicateNgrams(8), AtMost, 0.12, GopherTable),
        new NumberRule("gopher.max-duplicate-9-grams", Signal.DuplicateNgrams(9), AtMost, 0.11, GopherTable),
        new NumberRule("gopher.max-duplicate-10-grams", Signal.DuplicateNgrams(10), AtMost, 0.1, GopherTable),
    ];

    /// <summary>C4's rules for documents: no "lorem ipsum", no curly bracket, no bad word, five sentences in the lines that stay.</summary>
    public static IReadOnlyList<FilterRule> C4Rules { get; } =
    [
        new NumberRule("c4.max-lorem-ipsum", Signal.LoremIpsum, AtMost, 0, C4Paper),
        new NumberRule("c4.max-curly-brackets", Signal.CurlyBrackets, AtMost, 0, C4Paper),
        new NumberRule("c4.max-bad-words", Signal.BadWords, AtMost, 0, C4Paper),
        new NumberRule("c4.min-sentences", Signal.C4Sentences, AtLeast, 5, C4Paper),
    ];

    /// <summary>
    /// FineWeb's own rules: 12 % of the lines end with a terminal punctuation mark, at most 67 % have 30 characters or less, at most 1 % of the
    /// characters are in lines that came before; and, in its code only, at most 0.3 line ends for each word.
    /// </summary>
    public static IReadOnlyList<FilterRule> FineWebRules { get; } =
    [
        new NumberRule("fineweb.min-punctuated-lines", Signal.PunctuatedLines, AtLeast, 0.12, FineWebPaper),
        new NumberRule("fineweb.max-short-lines", Signal.ShortLines, AtMost, 0.67, FineWebPaper),
        new NumberRule("fineweb.max-repeated-line-characters", Signal.RepeatedLineCharacters, AtMost, 0.01, FineWebPaper),
        new NumberRule("fineweb.max-line-ends", Signal.LineEndsPerToken, AtMost, 0.3, "datatrove, FineWebQualityFilter, new_line_ratio"),
    ];

    /// <summary>FineWeb keeps English with a confidence of 0.65. The language itself is a choice of the user.</summary>
    public static IReadOnlyList<FilterRule> LanguageRules { get; } =
    [
        new NumberRule("language.min-confidence", Signal.LanguageConfidence, AtLeast, 0.65, FineWebLanguage),
        new LabelRule("language.allowed", Signal.Language, "en", FineWebLanguage),
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<FilterRule> All { get; } = [.. LanguageRules, .. GopherRepetitionRules, .. GopherQualityRules, .. C4Rules, .. FineWebRules];
}
