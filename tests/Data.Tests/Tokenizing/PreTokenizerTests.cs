using System.Text;
using System.Text.RegularExpressions;

namespace ElasticTrain.Data.Tests;

public sealed class PreTokenizerTests
{
    [Theory]
    [InlineData(PreTokenization.Gpt2)]
    [InlineData(PreTokenization.Cl100k)]
    [InlineData(PreTokenization.DeepSeekV3)]
    public void Text_is_cut_where_the_published_expressions_cut_it(PreTokenization rules)
    {
        Regex[] expressions = [.. rules.Expressions().Select(expression => new Regex(expression, RegexOptions.CultureInvariant))];
        for (int seed = 0; seed < 1500; seed++)
        {
            string text = RandomText.Of(seed, 1 + seed % 60, beyond: false);
            string[] expected = [.. expressions.Aggregate((IEnumerable<string>)[text], (pieces, expression) => pieces.SelectMany(piece => Isolated(piece, expression)))];
            Assert.Equal(expected, Pieces(text, rules));
            Assert.Equal(expected, Utf8Pieces(text, rules).Select(Encoding.UTF8.GetString));
        }
    }

    [Theory]
    [InlineData(PreTokenization.Gpt2)]
    [InlineData(PreTokenization.Cl100k)]
    [InlineData(PreTokenization.DeepSeekV3)]
    public void Text_is_cut_where_Hugging_Faces_library_cuts_it(PreTokenization rules)
    {
        foreach (Golden.Cut cut in Golden.Of(rules).Texts)
        {
            Assert.Equal(cut.Pieces, Utf8Pieces(cut.Text, rules).Select(piece => ByteStandIns.Of(piece)));
            Assert.Equal(cut.Pieces, Pieces(cut.Text, rules).Select(piece => ByteStandIns.Of(Encoding.UTF8.GetBytes(piece))));
        }
    }

    [Fact]
    public void Both_encodings_of_a_text_are_cut_at_the_same_characters_and_nothing_is_lost()
    {
        foreach (PreTokenization rules in Enum.GetValues<PreTokenization>())
        {
            for (int seed = 0; seed < 300; seed++)
            {
                string text = RandomText.Of(seed, 40);
                string[] pieces = Pieces(text, rules);
                Assert.Equal(text, string.Concat(pieces));
                Assert.DoesNotContain("", pieces);
                Assert.Equal(pieces, Utf8Pieces(text, rules).Select(Encoding.UTF8.GetString));
            }
        }
    }

    [Fact]
    public void Half_a_surrogate_pair_does_not_stop_it() => Assert.Equal("a|\uD83D|b", string.Join('|', Pieces("a\uD83Db", PreTokenization.Gpt2)));

    private static string[] Pieces(string text, PreTokenization rules)
    {
        var pieces = new List<string>();
        int start = 0;
        foreach (int end in new PreTokenScanner(rules).Scan(text.AsSpan()))
        {
            pieces.Add(text[start..end]);
            start = end;
        }
        return [.. pieces];
    }

    private static List<byte[]> Utf8Pieces(string text, PreTokenization rules)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        var pieces = new List<byte[]>();
        int start = 0;
        foreach (int end in new PreTokenScanner(rules).Scan(bytes))
        {
            pieces.Add(bytes[start..end]);
            start = end;
        }
        return pieces;
    }

    private static IEnumerable<string> Isolated(string text, Regex expression)
    {
        int done = 0;
        foreach (Match match in expression.Matches(text))
        {
            if (match.Index > done) yield return text[done..match.Index];
            yield return match.Value;
            done = match.Index + match.Length;
        }
        if (done < text.Length) yield return text[done..];
    }
}
