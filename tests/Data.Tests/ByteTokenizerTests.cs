namespace ElasticTrain.Data.Tests;

public sealed class ByteTokenizerTests
{
    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    [InlineData("Grüße, 世界 🙂\n")]
    public void Text_survives_the_round_trip(string text) => Assert.Equal(text, ByteTokenizer.Decode(ByteTokenizer.Encode(text)));

    [Fact]
    public void Cut_characters_and_special_tokens_do_not_break_decoding()
    {
        int[] tokens = ByteTokenizer.Encode("a🙂");
        Assert.Equal("a\uFFFD", ByteTokenizer.Decode(tokens.AsSpan(0, 4)));
        Assert.Equal("\uFFFDb", ByteTokenizer.Decode([0xFF, ByteTokenizer.EndOfDocument, 'b', 259]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteTokenizer.Decode([260]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteTokenizer.Decode([-1]));
    }
}
