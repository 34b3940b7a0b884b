using ElasticTrain.Data.Cleaning;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests.Cleaning;

public sealed class TextCleanerTests
{
    private static readonly CleaningOptions Usual = new();

    [Theory]
    [InlineData("a\u0000b\u0007c\u007Fd\u0081e", "abcde")]
    [InlineData("\uFEFFa\u200Bb\u2060c\u00ADd", "abcd")]
    [InlineData("a\u202Eb\u2066c\u2069", "abc")]
    [InlineData("\u001B[1;31mred\u001B[0m", "red")]
    [InlineData("a\r\nb\rc\u2028d\u2029e\u0085f\vg\fh", "a\nb\nc\nd\ne\nf\ng\nh")]
    [InlineData("👩\u200D💻 🏴\U000E0067\U000E0062\U000E007F a\u200Db \U000E0041x", "👩\u200D💻 🏴\U000E0067\U000E0062\U000E007F ab x")]
    [InlineData("می\u200Cخواهم क्\u200Dष a\u200Cb", "می\u200Cخواهم क्\u200Dष ab")]
    [InlineData("שלום\u200F! abc\u200E", "שלום\u200F! abc")]
    [InlineData("e\u0301 A\u030A", "é Å")]
    [InlineData("A\u0303\u200B©", "é")]
    public void Characters_are_cleaned(string text, string expected) => Assert.Equal(expected, TextCleaner.Clean(text, Usual).Text);

    [Theory]
    [InlineData("a  \nb\t\n", "a\nb\n")]
    [InlineData("\n\n  \na\n\n\n\n\nb\n\n\n", "a\n\n\nb\n")]
    [InlineData("a\n\n\nb", "a\n\n\nb")]
    [InlineData("  if x:\n\treturn  1", "  if x:\n\treturn  1")]
    [InlineData("   ", "")]
    [InlineData("\n", "")]
    [InlineData("a\u3000\u00A0", "a")]
    [InlineData("a\n  ", "a\n")]
    [InlineData("", "")]
    public void White_space_is_trimmed_and_indentation_kept(string text, string expected)
    {
        CleanText clean = TextCleaner.Clean(text, Usual);
        Assert.Equal(expected, clean.Text);
        Assert.Equal(text.Length - expected.Length, clean.Changes.Whitespace);
    }

    [Fact]
    public void Halves_of_surrogate_pairs_are_replaced() => Assert.Equal("x\uFFFDy\uFFFD🙂\uFFFD", TextCleaner.Clean("x\uD800y\uDC00🙂\uD83D", Usual).Text);

    [Fact]
    public void Changes_are_counted()
    {
        CleanText clean = TextCleaner.Clean("\uFEFFcafÃ© e\u0301\r\n\uD800  \u0007\n\n\n\n\nx", Usual);
        Assert.Equal("café é\n\uFFFD\n\n\nx", clean.Text);
        Assert.Equal(new TextChanges(Surrogates: 1, Mojibake: 1, Invisible: 2, LineEnds: 1, Normalized: 1, Whitespace: 4), clean.Changes);
    }

    [Fact]
    public void Compatibility_forms_are_kept_unless_asked_for()
    {
        const string Text = "ﬁne ２ ½ x²";
        Assert.Equal(Text, TextCleaner.Clean(Text, Usual).Text);
        Assert.Equal("fine 2 1⁄2 x2", TextCleaner.Clean(Text, Usual with { Form = UnicodeForm.Nfkc }).Text);
    }

    [Fact]
    public void Nothing_changes_but_halves_of_pairs_where_nothing_is_asked_for()
    {
        const string Text = "\uFEFFcafÃ© e\u0301\r\n  \u0007\n\n\n\n\nx ";
        Assert.Same(Text, TextCleaner.Clean(Text, CleaningOptions.Nothing).Text);
        Assert.Equal("\uFFFD", TextCleaner.Clean("\uDC00", CleaningOptions.Nothing).Text);
    }

    [Fact]
    public void Clean_text_is_the_same_instance()
    {
        foreach (string text in Texts.Breakable.Concat(Texts.Tempting)) Assert.Same(text, TextCleaner.Clean(text, Usual).Text);
    }

    [Theory]
    [InlineData("Hello, World!\n\n  It's 42% 你好。 Ünïcode_x", "hello world its 42 你好 ünïcodex")]
    [InlineData("  ... ", "")]
    public void The_guide_leaves_letters_digits_and_spaces(string text, string expected) =>
        Assert.Equal(expected, TextCleaner.Clean(text, Usual with { GuideText = true }).Text);

    [Property(MaxTest = 500)]
    public void Cleaning_what_is_clean_changes_nothing(int seed)
    {
        string text = Nasty(seed);
        foreach (CleaningOptions options in new[] { Usual, Usual with { Form = UnicodeForm.Nfkc }, Usual with { GuideText = true } })
        {
            string once = TextCleaner.Clean(text, options).Text;
            Assert.Equal(once, TextCleaner.Clean(once, options).Text);
        }
    }

    [Fact]
    public void Neither_culture_nor_threads_matter()
    {
        string[] texts = [.. Enumerable.Range(0, 200).Select(Nasty)];
        string[] expected = [.. texts.Select(text => TextCleaner.Clean(text, Usual with { GuideText = true }).Text)];
        Cultures.Turkish(() => Assert.Equal(expected, texts.Select(text => TextCleaner.Clean(text, Usual with { GuideText = true }).Text)));
        Assert.Equal(expected, texts.AsParallel().AsOrdered().WithDegreeOfParallelism(8).Select(text => TextCleaner.Clean(text, Usual with { GuideText = true }).Text));
    }

    private static string Nasty(int seed)
    {
        string[] more = ["Ã", "©", "â€™", "\u200B", "\u200D", "\u200C", "\uFEFF", "\u0303", "A", "\r", "\u0085", "\u001B[", "3m", "\uD800", "\uDC00", "  \n", "\n\n\n", "\u00A0", "\u3000", "ðŸ˜€", "İ", "I"];
        var random = new Random(seed);
        return string.Concat(Enumerable.Range(0, 60).Select(i => random.Next(3) == 0 ? RandomText.Of(seed + i, 1) : more[random.Next(more.Length)]));
    }
}
