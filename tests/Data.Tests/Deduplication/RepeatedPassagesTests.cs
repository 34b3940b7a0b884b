using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Data.Deduplication;

namespace ElasticTrain.Data.Tests.Deduplication;

public sealed class RepeatedPassagesTests
{
    private const string Boiler = "All rights are reserved here\nby the owners of this page\nand by nobody else at all\n";

    [Fact]
    public void Three_lines_that_came_before_are_cut_out_and_the_first_copy_stays()
    {
        var cut = Cut(new PassageOptions(), ("b", "One\n" + Boiler + "Two\n"), ("a", "Three is the number\n" + Boiler), ("c", Boiler.ToUpperInvariant() + "\n\nFour\n"));
        Assert.Equal("Three is the number\n" + Boiler, cut["a"].Text);
        Assert.Equal("One\nTwo\n", cut["b"].Text);
        Assert.Equal("Four\n", cut["c"].Text);
        Assert.Equal((3, Boiler.Length), (cut["b"].Cut.Units, cut["b"].Cut.Bytes));
        Assert.Equal((0, 0), (cut["a"].Cut.Units, cut["a"].Cut.Bytes));
    }

    [Fact]
    public void Two_lines_alone_and_short_lines_are_no_repetition()
    {
        string two = string.Join('\n', Boiler.Split('\n')[..2]) + "\n", braces = "}\n}\n}\n}\n";
        var cut = Cut(new PassageOptions(), ("a", two + "first\n" + braces), ("b", two + "second\n" + braces));
        Assert.All(cut.Values, one => Assert.Equal(0, one.Cut.Units));
    }

    [Fact]
    public void Inside_one_document_lines_of_a_first_copy_stay_though_a_later_one_overlaps()
    {
        const string Line = "the same five words again\n";
        var cut = Cut(new PassageOptions(), ("a", string.Concat(Enumerable.Repeat(Line, 8))));
        Assert.Equal(string.Concat(Enumerable.Repeat(Line, 3)), cut["a"].Text);
        Assert.Equal(5, cut["a"].Cut.Units);
    }

    [Fact]
    public void Paragraphs_are_cut_with_the_blank_lines_behind_them()
    {
        var options = new PassageOptions { Unit = PassageUnit.Paragraph, Length = 1 };
        const string Note = "This note was\nmade by a machine.";
        var cut = Cut(options, ("a", "Alpha is here.\n\n" + Note + "\n"), ("b", Note + "\n \n\nBeta is there.\n\n" + Note));
        Assert.Equal("Alpha is here.\n\n" + Note + "\n", cut["a"].Text);
        Assert.Equal("Beta is there.\n\n", cut["b"].Text);
    }

    [Fact]
    public void Units_add_up_to_the_text()
    {
        foreach (PassageUnit unit in Enum.GetValues<PassageUnit>())
        {
            foreach (string text in (string[])["", "\n\n", "a", "\n\na\nb\n\n\nc", "a\r\n\r\nb\r\n", " \n x \n"])
            {
                byte[] bytes = Encoding.UTF8.GetBytes(text);
                var units = PassageReader.Units(bytes, unit);
                int at = 0;
                foreach (var one in units)
                {
                    Assert.Equal(at, one.Start);
                    at = one.End;
                }
                Assert.Equal(string.IsNullOrWhiteSpace(text) ? 0 : bytes.Length, at);
            }
        }
    }

    [Fact]
    public void The_order_of_arrival_changes_nothing()
    {
        var documents = Enumerable.Range(0, 60).Select(i => (Key: $"{i * 37 % 60:00}", Text: string.Concat(Enumerable.Range(0, 20).Select(line =>
            $"line number {CounterRandom.Bits((ulong)i, (ulong)line) % 4} of these texts {(line % 5 == 0 ? i : 0)}\n")))).ToArray();
        var expected = Cut(new PassageOptions(), documents).ToDictionary(pair => pair.Key, pair => pair.Value.Text);
        Assert.Contains(expected, pair => pair.Value.Length == 0 || pair.Value.Count(c => c == '\n') < 20);
        foreach (var order in new[] { documents.Reverse(), documents.OrderBy(document => document.Text, StringComparer.Ordinal) })
            Assert.Equal(expected, Cut(new PassageOptions(), [.. order]).ToDictionary(pair => pair.Key, pair => pair.Value.Text));
    }

    [Fact]
    public void What_is_called_out_of_turn_is_refused()
    {
        var passages = new RepeatedPassages(new PassageOptions());
        passages.Add("a", "x"u8);
        Assert.Throws<ArgumentException>(() => passages.Add("a", "x"u8));
        Assert.Throws<InvalidOperationException>(() => passages.Cut("a", "x"u8.ToArray()));
        passages.Freeze();
        Assert.Throws<InvalidOperationException>(() => passages.Add("b", "x"u8));
        Assert.Throws<KeyNotFoundException>(() => passages.Cut("b", "x"u8.ToArray()));
        Assert.Throws<BadInputException>(() => new RepeatedPassages(new PassageOptions { Length = 0 }));
    }

    private static Dictionary<string, (string Text, PassageCut Cut)> Cut(PassageOptions options, params (string Key, string Text)[] documents)
    {
        var passages = new RepeatedPassages(options);
        Parallel.ForEach(documents, document => passages.Add(document.Key, Encoding.UTF8.GetBytes(document.Text)));
        passages.Freeze();
        return documents.ToDictionary(document => document.Key, document =>
        {
            PassageCut cut = passages.Cut(document.Key, Encoding.UTF8.GetBytes(document.Text));
            return (Encoding.UTF8.GetString(cut.Text.Span), cut);
        }, StringComparer.Ordinal);
    }
}
