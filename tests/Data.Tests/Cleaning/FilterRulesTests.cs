using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Data.Cleaning;

namespace ElasticTrain.Data.Tests.Cleaning;

public sealed class FilterRulesTests
{
    [Fact]
    public void Published_thresholds()
    {
        string[] expected =
        [
            "language.min-confidence=0.65", "language.allowed=en", "gopher.max-duplicate-paragraphs=0.3", "gopher.max-duplicate-paragraph-characters=0.2", "gopher.max-duplicate-lines=0.3",
            "gopher.max-duplicate-line-characters=0.2", "gopher.max-top-2-gram=0.2", "gopher.max-top-3-gram=0.18", "gopher.max-top-4-gram=0.16", "gopher.max-duplicate-5-grams=0.15",
            "gopher.max-duplicate-6-grams=0.14", "gopher.max-duplicate-7-grams=0.13", "gopher.max-duplicate-8-grams=0.12", "gopher.max-duplicate-9-grams=0.11", "gopher.max-duplicate-10-grams=0.1",
            "gopher.min-words=50", "gopher.max-words=100000", "gopher.min-mean-word-length=3", "gopher.max-mean-word-length=10", "gopher.max-hashes=0.1", "gopher.max-ellipses=0.1",
            "gopher.max-bullet-lines=0.9", "gopher.max-ellipsis-lines=0.3", "gopher.min-alphabetic=0.8", "gopher.min-stop-words=2", "c4.max-lorem-ipsum=0", "c4.max-curly-brackets=0",
            "c4.max-bad-words=0", "c4.min-sentences=5", "fineweb.min-punctuated-lines=0.12", "fineweb.max-short-lines=0.67", "fineweb.max-repeated-line-characters=0.01", "fineweb.max-line-ends=0.3",
        ];
        Assert.Equal(expected, PublishedRules.All.Select(rule => $"{rule.Name}={rule.Threshold}"));
        Assert.Equal(PublishedRules.All.Count - 1, CleaningProfile.Web.Rules.Rules.Count);
    }

    [Fact]
    public void The_threshold_itself_passes_and_the_next_number_does_not()
    {
        foreach (NumberRule rule in PublishedRules.All.OfType<NumberRule>())
        {
            double beyond = rule.Comparison == Comparison.AtLeast ? Math.BitDecrement(rule.Limit) : Math.BitIncrement(rule.Limit);
            Assert.Null(rule.Check(Signals(rule.Signal, rule.Limit)));
            Removal removal = rule.Check(Signals(rule.Signal, beyond))!;
            Assert.Equal(rule.Name, removal.Rule);
            Assert.Equal(beyond, double.Parse(removal.Found, CultureInfo.InvariantCulture));
        }
    }

    [Fact]
    public void Every_rule_has_its_signal()
    {
        var cleaner = new DocumentCleaner(CleaningProfile.Named("none", "language.min-confidence=0"), new English());
        DocumentSignals signals = cleaner.Process("Some text.").Signals;
        foreach (FilterRule rule in PublishedRules.All) rule.Check(signals);
    }

    [Fact]
    public void Thresholds_change_without_measuring_again()
    {
        var cleaner = new DocumentCleaner(CleaningProfile.Default);
        DocumentSignals stored = DocumentSignals.Parse(cleaner.Process("Only five words stand here.").Signals.ToJson());
        Verdict verdict = cleaner.Judge(stored);
        Assert.False(verdict.IsKept);
        Assert.Equal(new Removal("gopher.min-words", "words", "5", "at least 10"), verdict.First);
        Assert.True(CleaningProfile.Named("default", "gopher.min-words=5").Rules.Judge(stored).IsKept);
        Assert.True(CleaningProfile.Named("default", "gopher.min-words=off").Rules.Judge(stored).IsKept);
        Assert.Equal(
            ["gopher.min-words", "c4.min-sentences"],
            CleaningProfile.Named("default", "c4.min-sentences=2").Rules.Judge(stored, all: true).Removals.Select(removal => removal.Rule));
    }

    [Theory]
    [InlineData("default", "gopher.min-word=5", "gopher.min-word\"", "gopher.min-words")]
    [InlineData("default", "gopher.min-words=many", "\"many\"", "a number such as 10")]
    [InlineData("default", "gopher.min-words=1,5", "\"1,5\"", "a number such as 10")]
    [InlineData("default", "gopher.min-words=NaN", "\"NaN\"", "a number")]
    [InlineData("default", "gopher.min-words", "\"gopher.min-words\"", "NAME=VALUE")]
    [InlineData("web", "language.allowed=", "\"\"", "labels divided by commas")]
    [InlineData("wob", "", "\"wob\"", "default, web, code, none, guide")]
    public void Unknown_names_and_bad_thresholds_are_refused_with_those_that_there_are(string profile, string setting, string found, string expected)
    {
        void Check()
        {
            var error = Assert.Throws<BadInputException>(() => CleaningProfile.Named(profile, setting));
            Assert.Contains(found, error.Message, StringComparison.Ordinal);
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }
        Check();
        Cultures.Turkish(Check);
    }

    [Fact]
    public void A_signal_that_was_not_measured_is_no_reason_to_keep_a_document()
    {
        var rules = FilterRules.None.With(["language.min-confidence=0.5"]);
        var error = Assert.Throws<BadInputException>(() => rules.Judge(Signals("words", 1)));
        Assert.Contains("language-confidence", error.Message, StringComparison.Ordinal);
        Assert.Contains("words", error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void Languages_are_judged_by_a_list()
    {
        var profile = CleaningProfile.Named("default", "language.allowed=de, fr", "gopher.min-words=off");
        Assert.True(profile.IdentifyLanguage);
        var cleaner = new DocumentCleaner(profile, new English());
        DocumentSignals signals = cleaner.Process("Some text.").Signals;
        Assert.Equal(new Removal("language.allowed", "language", "en", "one of de,fr"), cleaner.Judge(signals).First);
        Assert.True(CleaningProfile.Named("default", "language.allowed=en", "gopher.min-words=off").Rules.Judge(signals).IsKept);
        Assert.Throws<ArgumentException>(() => new DocumentCleaner(profile));
    }

    [Fact]
    public void Signals_survive_JSON_bit_by_bit_in_any_culture()
    {
        var signals = new DocumentSignals([new("b", 0.1 + 0.2), new("a", 1.0 / 3), new("c", -0.0), new("d", double.Epsilon), new("e", 1e300)], [new("language", "en")]);
        string json = signals.ToJson();
        Assert.Equal("{\"a\":0.3333333333333333,\"b\":0.30000000000000004,\"c\":-0,\"d\":5E-324,\"e\":1E+300,\"language\":\"en\"}", json);
        Cultures.Turkish(() =>
        {
            Assert.Equal(json, signals.ToJson());
            DocumentSignals read = DocumentSignals.Parse(json);
            foreach ((string name, double value) in signals.Numbers) Assert.Equal(BitConverter.DoubleToInt64Bits(value), BitConverter.DoubleToInt64Bits(read[name]));
            Assert.Equal("en", read.Labels["language"]);
        });
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"a\":true}")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"a\":1e999}")]
    [InlineData("{")]
    public void Other_JSON_is_refused(string json) => Assert.Throws<BadInputException>(() => DocumentSignals.Parse(json));

    [Theory]
    [InlineData("default", "The reader returns the next line of the stream, or null at its end. It throws if the stream is closed.")]
    [InlineData("code", "for (int i = 0; i < count; i++)\n{\n    sum += values[i];\n}\nreturn sum;")]
    [InlineData("none", "x")]
    [InlineData("guide", "X!")]
    public void Profiles_keep_what_they_are_made_for(string profile, string text)
    {
        var cleaner = new DocumentCleaner(CleaningProfile.Named(profile));
        CleanedDocument document = cleaner.Process(text);
        Assert.True(cleaner.Judge(document.Signals).IsKept, $"{cleaner.Judge(document.Signals).First}");
        Assert.Equal(profile == "guide" ? "x" : text, document.Text);
    }

    [Fact]
    public void The_web_profile_scrubs_and_removes_lines_and_records_both()
    {
        const string Page = "Home\nAbout us\nIt was the best of times, it was the worst of times. Write to me@mail.org about that.\nYou need JavaScript for this.\n";
        CleanedDocument document = new DocumentCleaner(CleaningProfile.Web, new English()).Process(Page);
        Assert.Equal("It was the best of times, it was the worst of times. Write to email@example.com about that.\n", document.Text);
        Assert.Equal(1, document.Signals[Signal.ScrubbedEmails]);
        Assert.Equal(2, document.Signals[Signal.C4ShortLines]);
        Assert.Equal(1, document.Signals[Signal.C4JavascriptLines]);
        Assert.Equal(5 + 9 + 30, document.Signals[Signal.C4RemovedCharacters]);
    }

    private static DocumentSignals Signals(string name, double value) => new([new(name, value)]);

    private sealed class English : ILanguageIdentifier
    {
        public LanguageGuess Identify(string text) => new("en", 0.9);
    }
}
