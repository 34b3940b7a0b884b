using ElasticTrain.Core;

namespace ElasticTrain.Data.Cleaning;

/// <summary>A named way from raw text to documents that stay: how text is cleaned, what is measured, which rules judge it.</summary>
/// <param name="Name">As a user writes it.</param>
public sealed record CleaningProfile(string Name)
{
    /// <summary>What the default profile asks of text, be it documentation, code or prose: some words, not mostly repetition.</summary>
    private static readonly FilterRules ModerateRules = FilterRules.None.With(
    [
        "gopher.min-words=10", "gopher.max-words=1000000", "gopher.max-mean-word-length=25", "gopher.max-duplicate-paragraphs=0.5", "gopher.max-duplicate-lines=0.5",
        "gopher.max-duplicate-line-characters=0.4", "gopher.max-top-2-gram=0.3", "gopher.max-top-3-gram=0.3", "gopher.max-top-4-gram=0.3",
        "gopher.max-duplicate-10-grams=0.6", "c4.max-lorem-ipsum=0",
    ]);

    /// <summary>Cleaning and moderate rules of our own choice, fit for documentation, code and prose.</summary>
    public static CleaningProfile Default { get; } = new("default") { Rules = ModerateRules };

    /// <summary>
    /// For pages of the web in English: FineWeb's rules in FineWeb's order (language, Gopher's repetition and quality, C4 without terminal punctuation, its own), published
    /// thresholds, C4's bad words if there is a list, e-mail addresses, telephone numbers and IP addresses scrubbed. Any language stays until
    /// <c>language.allowed</c> is set.
    /// </summary>
    public static CleaningProfile Web { get; } = new("web")
    {
        Scrubbing = new ScrubbingOptions(),
        IdentifyLanguage = true,
        Signals = new SignalOptions { Lines = C4LineOptions.FineWeb },
        Rules = new FilterRules(
            PublishedRules.LanguageRules.Where(rule => rule is NumberRule)
                .Concat(PublishedRules.GopherRepetitionRules).Concat(PublishedRules.GopherQualityRules).Concat(PublishedRules.C4Rules).Concat(PublishedRules.FineWebRules)),
    };

    /// <summary>For source code: text is cleaned, and goes only if it is nearly empty or nothing but copies of a few lines.</summary>
    public static CleaningProfile Code { get; } = new("code")
    {
        Rules = FilterRules.None.With(["gopher.min-words=5", "gopher.max-duplicate-line-characters=0.8", "gopher.max-top-2-gram=0.6"]),
    };

    /// <summary>Text as it is, and all of it. Signals are measured.</summary>
    public static CleaningProfile Nothing { get; } = new("none") { Cleaning = CleaningOptions.Nothing };

    /// <summary>The guide's <c>clean_text</c>: lower case letters, digits and spaces only. Nothing that was trained on its output can write code or a sentence's end.</summary>
    public static CleaningProfile Guide { get; } = new("guide") { Cleaning = new CleaningOptions { GuideText = true } };

    /// <summary>The profiles, by name.</summary>
    public static IReadOnlyList<CleaningProfile> All { get; } = [Default, Web, Code, Nothing, Guide];

    /// <summary>How text is cleaned.</summary>
    public CleaningOptions Cleaning { get; init; } = new();

    /// <summary>What personal data is replaced.</summary>
    public ScrubbingOptions Scrubbing { get; init; } = ScrubbingOptions.Nothing;

    /// <summary>What signals depend on.</summary>
    public SignalOptions Signals { get; init; } = new();

    /// <summary>Whether the language is a signal: slow beside everything else.</summary>
    public bool IdentifyLanguage { get; init; }

    /// <summary>What a document must meet to stay.</summary>
    public FilterRules Rules { get; init; } = FilterRules.None;

    /// <summary>The profile of a name, with thresholds of the user's (<see cref="FilterRules.With"/>).</summary>
    /// <exception cref="BadInputException">There is no such profile or threshold; the message lists those that there are.</exception>
    public static CleaningProfile Named(string name, params IEnumerable<string> thresholds)
    {
        CleaningProfile profile = All.FirstOrDefault(known => known.Name == name)
            ?? throw new BadInputException("a cleaning profile", $"\"{name}\"", "one of " + string.Join(", ", All.Select(known => known.Name)));
        FilterRules rules = profile.Rules.With(thresholds);
        bool needsLanguage = rules.Rules.Any(rule => rule.Signal is Signal.Language or Signal.LanguageConfidence);
        return profile with { Rules = rules, IdentifyLanguage = profile.IdentifyLanguage || needsLanguage };
    }
}
