namespace ElasticTrain.Core.Tests;

public sealed class JsonFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("json-").FullName;

    [Theory]
    [InlineData("{\"a\": 1, \"a\": 2}", "the key \"a\" twice")]
    [InlineData("{\"a\": {\"b\": 1, \"\\u0062\": 2}}", "the key \"b\" twice")]
    [InlineData("{\"a\": \"\\ud800\"}", "surrogate")]
    [InlineData("{\"\\udc00\": 1}", "surrogate")]
    [InlineData("{\"a\": NaN}", "NaN")]
    [InlineData("", "no JSON")]
    public void What_two_readers_might_take_differently_is_refused(string text, string says)
    {
        string path = Written(text);
        Assert.Contains(path, Refused(path).Message, StringComparison.Ordinal);
        if (says != "NaN") Assert.Contains(says, Refused(path).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_key_in_two_objects_and_a_byte_order_mark_are_no_mistakes()
    {
        string path = Written("[{\"a\": 1}, {\"a\": \"\\ud83d\\ude00\"}]");
        File.WriteAllBytes(path, [0xEF, 0xBB, 0xBF, .. File.ReadAllBytes(path)]);
        Assert.Equal("\U0001F600", JsonFile.Read(path, "a file", "a list", root => root[1].GetProperty("a").GetString()));
    }

    [Fact]
    public void Something_that_is_no_file_is_named_as_what_it_is()
    {
        Assert.Equal("a folder", Refused(_folder).Found);
        Assert.Equal("no such file", Refused(Path.Combine(_folder, "none")).Found);
        Assert.Equal("empty text", Refused("").Found);
    }

    [Fact]
    public void A_message_does_not_repeat_megabytes() =>
        Assert.InRange(new BadInputException("file", new string('x', 10_000_000), "a number").Message.Length, 500, 600);

    [Fact]
    public void A_buffer_beyond_the_memory_of_the_machine_is_refused_before_it_is_touched() =>
        Assert.Contains("GiB of this machine", Assert.Throws<BadInputException>(() => new NativeBuffer(1L << 50)).Expected, StringComparison.Ordinal);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static BadInputException Refused(string path) => Assert.Throws<BadInputException>(() => JsonFile.Read(path, "a file", "an object", root => root.ValueKind));

    private string Written(string text)
    {
        string path = Path.Combine(_folder, "x.json");
        File.WriteAllText(path, text);
        return path;
    }
}
