using System.Text;
using ElasticTrain.Data.Cleaning;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests.Cleaning;

public sealed class MojibakeTests
{
    public static TheoryData<string> Breakable => [.. Texts.Breakable];

    public static TheoryData<string> Correct => [.. Texts.Breakable, .. Texts.Tempting];

    [Theory]
    [MemberData(nameof(Correct))]
    public void Correct_text_is_left_alone(string text) => Assert.Same(text, Mojibake.Repair(text, out _));

    [Theory]
    [MemberData(nameof(Breakable))]
    public void Text_read_as_Windows_1252_is_repaired(string text) => Assert.Equal(text, Mojibake.Repair(Texts.Broken(text), out _));

    [Theory]
    [MemberData(nameof(Breakable))]
    public void Text_read_as_Latin_1_is_repaired(string text) => Assert.Equal(text, Mojibake.Repair(Texts.BrokenAsLatin1(text), out _));

    [Theory]
    [MemberData(nameof(Breakable))]
    public void Text_read_wrongly_twice_and_three_times_is_repaired(string text)
    {
        Assert.Equal(text, Mojibake.Repair(Texts.Broken(Texts.Broken(text)), out _));
        Assert.Equal(text, Mojibake.Repair(Texts.BrokenAsLatin1(Texts.Broken(text)), out _));
        Assert.Equal(text, Mojibake.Repair(Texts.Broken(Texts.Broken(Texts.Broken(text))), out _));
    }

    [Fact]
    public void Correct_and_broken_lines_stand_in_one_text()
    {
        string correct = string.Join('\n', [.. Texts.Breakable, .. Texts.Tempting.Where(text => !text.Contains('Ã') && !text.Contains('Â'))]);
        Assert.Equal(correct + "\ncafé", Mojibake.Repair(correct + "\ncafÃ©", out int repaired));
        Assert.Equal(1, repaired);
    }

    [Theory]
    [InlineData("It’s a cafÃ© — 日本", "It’s a café — 日本")]
    [InlineData("“Itâ€™s” fine", "“It’s” fine")]
    [InlineData("ï»¿hello", "\uFEFFhello")]
    [InlineData("20Â°C, Â©2020, Â£5", "20°C, ©2020, £5")]
    [InlineData("Ã–l, Ãœbung, Ã„pfel, SÃœSS", "Öl, Übung, Äpfel, SÜSS")]
    [InlineData("ðŸ˜€", "😀")]
    [InlineData("voilÃ\u00A0 le travail", "voilà le travail")]
    public void Broken_parts_of_a_line_are_repaired(string broken, string expected) => Assert.Equal(expected, Mojibake.Repair(broken, out _).Replace("à  ", "à ", StringComparison.Ordinal));

    [Fact]
    public void A_line_that_was_made_to_need_many_rounds_is_left_alone()
    {
        string text = "Ã" + new string('ƒ', 100_000);
        Assert.Same(text, Mojibake.Repair(text, out _));
    }

    [Property(MaxTest = 300)]
    public void Repaired_text_needs_no_repair(int seed)
    {
        const string Alphabet = "ÃÂâÅÄðÐÑ€™œ“”’¡©®±²½¾°ƒŸ\u00A0\u0080\u0099\u009D aeZ\nßØ×éï»¿";
        var random = new Random(seed);
        string text = string.Concat(Enumerable.Range(0, 60).Select(_ => Alphabet[random.Next(Alphabet.Length)]));
        string once = Mojibake.Repair(text, out _);
        Assert.Equal(once, Mojibake.Repair(once, out _));
    }

    [Property(MaxTest = 200)]
    public void Words_of_any_lines_broken_together_are_repaired_together(int seed)
    {
        var random = new Random(seed);
        string[] words = [.. Texts.Breakable.SelectMany(line => line.Split(' ')).Where(word => word.Any(character => character > 0x7F))];
        string text = string.Join(' ', Enumerable.Range(0, 12).Select(_ => words[random.Next(words.Length)]));
        Assert.Equal(text, Mojibake.Repair(Texts.Broken(text), out _));
        Assert.Equal(text, Mojibake.Repair(text, out _));
    }
}
