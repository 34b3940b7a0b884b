using ElasticTrain.Data.Cleaning;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests.Cleaning;

public sealed class TokenTests
{
    [Theory]
    [InlineData("Hello, world!", "Hello|,|world|!")]
    [InlineData("don't stop 'now' it’s", "don't|stop|'|now|'|it’s")]
    [InlineData("3.14 1,000,000 v1.2 e.g. U.S.", "3.14|1,000,000|v1.2|e.g|.|U.S|.")]
    [InlineData("well-known snake_case a->b x==y", "well|-|known|snake_case|a|-|>|b|x|==|y")]
    [InlineData("wait... what?!", "wait|...|what|?|!")]
    [InlineData("深度学习 and かな カタカナ 한국어", "深|度|学|习|and|か|な|カタカナ|한국어")]
    [InlineData("❤️❤️ 👩‍💻 🙂🙂", "❤️|❤️|👩‍|💻|🙂🙂")]
    [InlineData("e\u0301té 𝐀𝐁", "e\u0301té|𝐀𝐁")]
    [InlineData("1,a a,1 a.1 .5", "1|,|a|a|,|1|a|.|1|.|5")]
    public void Text_is_cut_into_words_and_signs(string text, string expected) => Assert.Equal(expected, string.Join('|', Tokens(text)));

    [Theory]
    [InlineData("One. Two! Three?", 3)]
    [InlineData("No end", 1)]
    [InlineData("A \"quoted.\" end. U.S. law 3.5 times", 4)]
    [InlineData("Wait... what? Yes", 2)]
    [InlineData("你好。世界。", 2)]
    [InlineData("", 0)]
    [InlineData("...", 1)]
    public void Sentences_end_at_terminal_marks(string line, int expected) => Assert.Equal(expected, LineFacts.Of(line, 0, line.Length, null).Sentences);

    [Property(MaxTest = 200)]
    public void Tokens_hold_every_character_that_is_no_space(int seed)
    {
        string text = RandomText.Of(seed, 40).Replace("\n", " ", StringComparison.Ordinal);
        Assert.Equal(string.Concat(text.Where(character => !char.IsWhiteSpace(character))), string.Concat(Tokens(text)));
        int at = 0;
        foreach (TokenSpan token in Spans(text))
        {
            Assert.True(token.Start >= at && token.Length > 0);
            Assert.Equal(text.Substring(token.Start, token.Length).EnumerateRunes().Count(), token.Points);
            at = token.End;
        }
    }

    [Fact]
    public void Numbers_of_tokens_follow_their_first_appearance_whatever_their_hashes()
    {
        string text = string.Join(' ', Enumerable.Range(0, 20_000).Select(i => $"w{i % 7919}"));
        var table = new TokenTable();
        foreach (TokenSpan span in Spans(text)) table.Add(text, span);
        Assert.Equal(7919, table.Distinct);
        Assert.Equal(Enumerable.Range(0, 20_000).Select(i => i % 7919), table.Tokens.ToArray());
        Assert.Equal(3, table.Occurrences(0));
        table.Clear();
        foreach (TokenSpan span in Spans("x y x")) table.Add("x y x", span);
        Assert.Equal([0, 1, 0], table.Tokens.ToArray());
        Assert.Equal(2, table.Occurrences(0));
    }

    internal static List<string> Tokens(string text) => [.. Spans(text).Select(span => text.Substring(span.Start, span.Length))];

    private static List<TokenSpan> Spans(string text)
    {
        var spans = new List<TokenSpan>();
        for (int at = 0; at < text.Length;)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
                continue;
            }
            int end = text.IndexOf('\n', at);
            spans.Add(TokenSpan.At(text, at, end < 0 ? text.Length : end));
            at = spans[^1].End;
        }
        return spans;
    }
}
