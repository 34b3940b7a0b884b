using ElasticTrain.Data.Cleaning;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests.Cleaning;

/// <summary>Values computed by hand from the published definitions.</summary>
public sealed class SignalMeterTests
{
    [Fact]
    public void Gopher_quality()
    {
        // Tokens: The cat ... sat with the # cat . / - to be or not / … (17 with the empty line's none); words: 10.
        const string Text = "The cat... sat with the #cat.\n - to be or not\n\nend…\n";
        DocumentSignals signals = Measure(Text);
        Check(signals, Signal.Characters, 52);
        Check(signals, Signal.Lines, 4);
        Check(signals, Signal.Tokens, 16);
        Check(signals, Signal.Words, 11);
        Check(signals, Signal.MeanWordLength, (3 + 3 + 3 + 4 + 3 + 3 + 2 + 2 + 2 + 3 + 3) / 11.0);
        Check(signals, Signal.HashesPerToken, 1 / 16.0);
        Check(signals, Signal.EllipsesPerToken, 2 / 16.0);
        Check(signals, Signal.BulletLines, 1 / 4.0);
        Check(signals, Signal.EllipsisLines, 1 / 4.0);
        Check(signals, Signal.AlphabeticTokens, 11 / 16.0);
        // with, the, to, be; "The" is none.
        Check(signals, Signal.StopWords, 4);
        Check(signals, Signal.Sentences, 1 + 1 + 1);
    }

    [Fact]
    public void Gopher_lines_and_paragraphs()
    {
        // Lines: abc, abc, de, abc, de; paragraphs: "abc\nabc", "de", "abc", "de".
        const string Text = "abc\nabc\n\nde\n\nabc\n\n\nde\n";
        DocumentSignals signals = Measure(Text);
        Check(signals, Signal.DuplicateLines, 3 / 5.0);
        Check(signals, Signal.DuplicateLineCharacters, (3 + 3 + 2) / 22.0);
        Check(signals, Signal.DuplicateParagraphs, 1 / 4.0);
        Check(signals, Signal.DuplicateParagraphCharacters, 2 / 22.0);
    }

    [Fact]
    public void Gopher_top_n_grams()
    {
        // "a b" three times (3 characters with its space), "b a" twice; "a b a" twice; "a b a b" comes twice, overlapping.
        DocumentSignals signals = Measure("a b a b a b");
        Check(signals, Signal.TopNgram(2), 3 * 3 / 11.0);
        Check(signals, Signal.TopNgram(3), 2 * 5 / 11.0);
        Check(signals, Signal.TopNgram(4), 2 * 7 / 11.0);
    }

    [Fact]
    public void Of_n_grams_that_come_equally_often_the_first_counts()
    {
        Check(Measure("aa bb x cccc dddd y aa bb z cccc dddd"), Signal.TopNgram(2), 2 * 5 / 37.0);
        Check(Measure("cccc dddd y aa bb z cccc dddd x aa bb"), Signal.TopNgram(2), 2 * 9 / 37.0);
    }

    [Fact]
    public void Text_in_which_nothing_repeats_has_no_top_n_gram()
    {
        DocumentSignals signals = Measure("one two three four");
        Check(signals, Signal.TopNgram(2), 0);
        Check(signals, Signal.DuplicateNgrams(5), 0);
    }

    [Fact]
    public void Gopher_duplicate_n_grams()
    {
        // The second "a b c d e" (5 characters) is a duplicate, and so is the third.
        const string Text = "a b c d e x a b c d e y a b c d e";
        DocumentSignals signals = Measure(Text);
        Check(signals, Signal.DuplicateNgrams(5), 10 / 33.0);
        Check(signals, Signal.DuplicateNgrams(6), 0);
        // Of eleven times the same word, the window at 1 repeats the one at 0; behind it (6..10) comes another: 10 tokens.
        Check(Measure("w w w w w w w w w w w"), Signal.DuplicateNgrams(5), 10 / 21.0);
        Check(Measure("w w w w w w w w w w w"), Signal.DuplicateNgrams(10), 10 / 21.0);
    }

    [Fact]
    public void FineWeb_lines()
    {
        // Lines that are not blank: 33 characters with a full stop, 6, 6 (a duplicate), 4 with an ideographic full stop.
        const string Text = "This line has more than 30 chars.\nshort?x\n\nshort?x\n你好吗。\n";
        DocumentSignals signals = Measure(Text);
        Check(signals, Signal.PunctuatedLines, 2 / 4.0);
        Check(signals, Signal.ShortLines, 3 / 4.0);
        Check(signals, Signal.RepeatedLineCharacters, 7 / (33 + 7 + 7 + 4.0));
        Check(signals, Signal.LineEndsPerToken, 5 / (8 + 3 + 3 + 4.0));
    }

    [Fact]
    public void Lines_of_thirty_characters_are_short()
    {
        Check(Measure(new string('a', 30)), Signal.ShortLines, 1);
        Check(Measure(new string('a', 31)), Signal.ShortLines, 0);
        Check(Measure(string.Concat(Enumerable.Repeat("🙂", 30))), Signal.ShortLines, 1);
    }

    [Fact]
    public void C4_lines()
    {
        string[] lines =
        [
            "First of all. A line of two sentences.", "no mark at the end", "Too few.", "An ellipsis is no end...", "You need JavaScript for this page.", "Read our Privacy Policy before that.",
            "Cited[12] twice[citation needed] in here.", "", new string('x', 1001) + " is very long.", "He said \"so it ends\"",
        ];
        string text = string.Join('\n', lines) + "\n";
        MeasuredText measured = SignalMeter.Measure(text, new SignalOptions { Lines = new C4LineOptions { Remove = true } });
        Assert.Equal("First of all. A line of two sentences.\nCited twice in here.\n\nHe said \"so it ends\"\n", measured.Text);
        DocumentSignals signals = measured.Signals;
        Check(signals, Signal.C4UnpunctuatedLines, 2);
        Check(signals, Signal.C4ShortLines, 1);
        Check(signals, Signal.C4JavascriptLines, 1);
        Check(signals, Signal.C4PolicyLines, 1);
        Check(signals, Signal.C4LongWordLines, 1);
        Check(signals, Signal.C4Citations, 2);
        Check(signals, Signal.C4Sentences, 2 + 1 + 1);
        Check(signals, Signal.C4RemovedCharacters, text.Length - measured.Text.Length);
        // FineWeb's are of what is left: the quotation mark is none of its ends.
        Check(signals, Signal.PunctuatedLines, 2 / 3.0);
        Check(signals, Signal.LineEndsPerToken, 4 / (10 + 5 + 7.0));
        MeasuredText left = SignalMeter.Measure(text, new SignalOptions());
        Assert.Same(text, left.Text);
        Check(left.Signals, Signal.C4RemovedCharacters, 0);
        Check(left.Signals, Signal.C4ShortLines, 1);
        MeasuredText again = SignalMeter.Measure(measured.Text, new SignalOptions { Lines = new C4LineOptions { Remove = true } });
        Assert.Same(measured.Text, again.Text);
    }

    [Fact]
    public void C4_documents()
    {
        DocumentSignals signals = SignalMeter.Measure("Lorem Ipsum and lorem ipsum { if } {}. A dam, DAM! damn 坏话很多", new SignalOptions { BadWords = new BadWordList(["dam", " 坏话 ", "", "Lorem"]) }).Signals;
        Check(signals, Signal.LoremIpsum, 2);
        Check(signals, Signal.CurlyBrackets, 2);
        Check(signals, Signal.BadWords, 2 + 1 + 2);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("...")]
    public void Signals_of_nearly_nothing_are_numbers(string text) => Assert.All(Measure(text).Numbers.Values, value => Assert.True(double.IsFinite(value)));

    [Property(MaxTest = 150)]
    public void Signals_are_those_of_the_definitions(int seed)
    {
        var random = new Random(seed);
        string text = random.Next(2) == 0
            ? string.Concat(Enumerable.Range(0, 30).Select(i => RandomText.Words(random.Next(3), random.Next(1, 9), 2, 2) + (random.Next(3) == 0 ? "\n" : random.Next(5) == 0 ? "\n\n" : "")))
            : TextCleaner.Clean(RandomText.Of(seed, 80), new CleaningOptions()).Text;
        DocumentSignals fast = Measure(text);
        foreach ((string name, double value) in NaiveSignals.Of(text)) Assert.True(value == fast[name], $"{name}: {fast[name]}, not {value}");
    }

    [Fact]
    public void Neither_threads_nor_cultures_nor_what_came_before_matter()
    {
        string[] texts = [.. Enumerable.Range(0, 100).Select(i => RandomText.Of(i, 30 + i * 7))];
        string[] expected = [.. texts.Select(text => Measure(text).ToJson())];
        Assert.Equal(expected, texts.AsParallel().AsOrdered().WithDegreeOfParallelism(8).Select(text => Measure(text).ToJson()));
        Assert.Equal(expected.Reverse(), texts.Reverse().Select(text => Measure(text).ToJson()));
        Cultures.Turkish(() => Assert.Equal(expected, texts.Select(text => Measure(text).ToJson())));
    }

    private static DocumentSignals Measure(string text) => SignalMeter.Measure(text, new SignalOptions()).Signals;

    private static void Check(DocumentSignals signals, string name, double expected) => Assert.True(expected == signals[name], $"{name}: {signals[name]}, not {expected}");
}
