using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Data.Sources;
using static ElasticTrain.Data.Tests.SourceFolder;

namespace ElasticTrain.Data.Tests;

public sealed class PlainTextSourceTests : IDisposable
{
    private const string Japanese = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。";

    private readonly SourceFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_text_file_is_one_document_named_like_the_file()
    {
        var document = Document(Assert.Single(_folder.Read("a.txt", "Ein Text\r\nmit zwei Zeilen\n")));
        Assert.Equal(("a.txt", "Ein Text\r\nmit zwei Zeilen\n"), (document.Id, document.Text));
        Assert.Empty(document.Metadata);
        Quarantined(Assert.Single(_folder.Read("b.txt", "")), QuarantineKind.NoText);
        Quarantined(Assert.Single(_folder.Read("c.txt", "\uFEFF")), QuarantineKind.NoText);
    }

    [Fact]
    public void Byte_order_marks_tell_the_encoding()
    {
        Encoding[] encodings = [new UTF8Encoding(true), Encoding.Unicode, Encoding.BigEndianUnicode];
        foreach (var encoding in encodings)
        {
            var document = Document(Assert.Single(_folder.Read("a.txt", [.. encoding.Preamble, .. encoding.GetBytes("Grüße 🙂")])));
            Assert.Equal("Grüße 🙂", document.Text);
            Assert.Equal(encoding is UTF8Encoding ? null : encoding.WebName, document.Metadata["source.encoding"]);
        }
        Assert.Contains("UTF-32", Quarantined(Assert.Single(_folder.Read("b.txt", [.. Encoding.UTF32.Preamble, .. Encoding.UTF32.GetBytes("x")])), QuarantineKind.Damaged).Reason);
        Assert.Contains("half", Quarantined(Assert.Single(_folder.Read("c.txt", [0xFF, 0xFE, 65, 0, 66])), QuarantineKind.Damaged).Reason);
        Quarantined(Assert.Single(_folder.Read("d.txt", [0xFF, 0xFE, 65, 0, 0, 0xDC, 66, 0])), QuarantineKind.Encoding);
    }

    [Fact]
    public void Long_Utf16_texts_are_read_across_every_block()
    {
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(i => i % 3 == 0 ? "🙂" : "ä"));
        foreach (string start in new[] { "", "a" })
            Assert.Equal(start + text, Document(Assert.Single(_folder.Read("a.txt", [.. Encoding.Unicode.Preamble, .. Encoding.Unicode.GetBytes(start + text)]))).Text);
    }

    [Fact]
    public void An_encoding_that_is_recognised_for_sure_is_read_and_named()
    {
        byte[] content = TextEncodings.Named("shift_jis").GetBytes(Japanese);
        var document = Document(Assert.Single(_folder.Read("a.txt", content)));
        Assert.Equal((Japanese, "shift_jis"), (document.Text, document.Metadata["source.encoding"]));
    }

    [Fact]
    public void An_encoding_that_is_only_likely_is_refused_unless_it_is_named()
    {
        const string German = "Die Straße führt über die Brücke zum schönen Café, in dem die Gäste Kaffee trinken und über das Wetter reden.";
        byte[] content = Encoding.Latin1.GetBytes(German);
        var refused = Quarantined(Assert.Single(_folder.Read("a.txt", content)), QuarantineKind.Encoding);
        Assert.Contains("0xDF at offset 8, expected UTF-8; iso-8859-1 is likely (0.", refused.Reason);
        var document = Document(Assert.Single(_folder.Read("a.txt", content, new SourceOptions { Encoding = "windows-1252" })));
        Assert.Equal((German, "windows-1252"), (document.Text, document.Metadata["source.encoding"]));
        Assert.Equal(["ä"], Texts(_folder.Read("a.jsonl", Encoding.Latin1.GetBytes("{\"text\": \"ä\"}"), new SourceOptions { Encoding = "windows-1252" })));
        Assert.Throws<BadInputException>(() => new SourceReader(new SourceOptions { Encoding = "klingon" }));
    }

    [Fact]
    public void A_stray_byte_is_damage_and_no_other_encoding()
    {
        byte[] content = [.. "Plain English text with one "u8, 0xE9, .. " in it, and so on.\n"u8];
        var bad = Quarantined(Assert.Single(_folder.Read("a.txt", content)), QuarantineKind.Encoding);
        Assert.Contains("0xE9 at offset 28, expected UTF-8", bad.Reason);
        byte[] damaged = [.. Encoding.UTF8.GetBytes(Japanese), 0xFF, .. Encoding.UTF8.GetBytes(Japanese)];
        Assert.Contains("0xFF", Quarantined(Assert.Single(_folder.Read("b.txt", damaged)), QuarantineKind.Encoding).Reason);
    }

    [Theory]
    [InlineData("utf-8")]
    [InlineData("utf-16")]
    [InlineData("shift_jis")]
    public void A_text_longer_than_a_document_may_be_comes_in_sections_that_are_the_whole_again(string encoding)
    {
        var options = new SourceOptions { MaxRecordBytes = 4000, SectionBytes = 1000 };
        string text = string.Concat(Enumerable.Range(0, 200).Select(i => $"{i} {Japanese[..(i % 60)]}{(i % 7 == 0 ? "\n\n" : "\n")}"));
        byte[] content = encoding == "utf-16" ? [.. Encoding.Unicode.Preamble, .. Encoding.Unicode.GetBytes(text)] : TextEncodings.Named(encoding).GetBytes(text);
        var items = _folder.Read("a.txt", content, options);
        Assert.Equal(text, string.Concat(Texts(items)));
        Assert.InRange(items.Count, 15, 100);
        Assert.Equal("a.txt#1", items[0].Id);
        Assert.All(items, item => Assert.InRange(Encoding.UTF8.GetByteCount(Document(item).Text), 1, 1000));
        Assert.True(items.Count(item => Document(item).Text.EndsWith("\n\n", StringComparison.Ordinal)) > items.Count * 3 / 4);
        Assert.Equal(Texts(items), Texts(_folder.Read("b.txt.gz", Gzip(content), options)));
    }

    [Fact]
    public void Of_a_long_text_bad_places_cost_their_section_and_endless_lines_themselves()
    {
        var options = new SourceOptions { MaxRecordBytes = 3000, SectionBytes = 500 };
        string filler = string.Concat(Enumerable.Range(0, 100).Select(i => $"Line {i} of a text.\n"));
        byte[] content = [.. Encoding.UTF8.GetBytes(filler + new string('x', 2500) + "\n" + filler + new string('y', 9000) + "\n" + filler), 0xFF, .. Encoding.UTF8.GetBytes("\n" + filler)];
        var items = _folder.Read("a.txt", content, options);
        Assert.Contains(new string('x', 2500) + "\n", Texts(items));
        var bad = items.OfType<QuarantinedRecord>().ToList();
        Assert.Equal([QuarantineKind.TooLong, QuarantineKind.Encoding], bad.Select(record => record.Kind));
        Assert.StartsWith("yyyy", bad[0].Excerpt);
        Assert.True(Texts(items).Sum(text => text.Length) > content.Length - 9002 - 502);
        var cut = _folder.Read("b.txt.gz", Gzip(content)[..^20], options);
        Quarantined(cut[^1], QuarantineKind.Damaged);
        Assert.Equal(items.OfType<SourceDocument>().First().Text, cut.OfType<SourceDocument>().First().Text);
    }

    [Fact]
    public void Where_sections_are_cut_does_not_depend_on_where_reading_began()
    {
        var random = new Random(11);
        string[] pieces = ["\n", "\n\n", "\r\n\r\n", "word ", "ä", new string('l', 25), new string('m', 70)];
        for (int i = 0; i < 150; i++)
        {
            string content = string.Concat(Enumerable.Range(0, 20 + random.Next(60)).Select(_ => pieces[random.Next(pieces.Length)]));
            var items = _folder.Read("a.txt", content, new SourceOptions { MaxRecordBytes = 20 + random.Next(60), SectionBytes = 1 + random.Next(20) });
            if (items.TrueForAll(item => item is SourceDocument)) Assert.Equal(content, string.Concat(Texts(items)));
        }
    }
}
