using System.Text;
using ElasticTrain.Data.Sources;
using static ElasticTrain.Data.Tests.SourceFolder;

namespace ElasticTrain.Data.Tests;

public sealed class JsonLinesSourceTests : IDisposable
{
    private readonly SourceFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_line_is_a_document_and_its_other_fields_are_metadata_in_their_order()
    {
        var items = _folder.Read("a.jsonl", """
            {"url": "http://x", "text": "Grüße \u0041\n", "n": 1.50, "meta": {"set": "pile", "tags": [1, 2]}, "ok": true, "none": null}

            {"text": "second"}
            """);
        var first = Document(items[0]);
        Assert.Equal(("a.jsonl#1", "Grüße A\n"), (first.Id, first.Text));
        Assert.Equal(
            [new("url", "http://x"), new("n", "1.50"), new("meta", """{"set": "pile", "tags": [1, 2]}"""), new("ok", "true"), new("none", "null")],
            first.Metadata);
        Assert.Equal("pile", System.Text.Json.JsonDocument.Parse(first.Metadata["meta"]!).RootElement.GetProperty("set").GetString());
        var second = Document(items[1]);
        Assert.Equal(("a.jsonl#3", "second", 2), (second.Id, second.Text, items.Count));
        Assert.Empty(second.Metadata);
    }

    [Fact]
    public void A_prompt_and_its_completion_are_one_text_with_the_prompts_length()
    {
        var document = Document(Assert.Single(_folder.Read("a.jsonl", """{"completion": "C", "prompt": "Pé🙂", "id": "7"}""")));
        Assert.Equal(("Pé🙂C", 4, 7), (document.Text, document.PromptChars, document.PromptBytes));
        Assert.Equal("7", document.Metadata["id"]);
    }

    [Fact]
    public void Other_fields_can_hold_the_text_and_the_preferred_one_wins()
    {
        var options = new SourceOptions { TextFields = ["content", "text"] };
        var items = _folder.Read("a.jsonl", """
            {"text": "t", "content": "c"}
            {"text": "t"}
            {"document": "d"}
            """, options);
        Assert.Equal(["c", "t"], Texts(items));
        Assert.Equal("t", Document(items[0]).Metadata["text"]);
        Assert.Contains("the fields document, expected content or text, or prompt and completion", Quarantined(items[2], QuarantineKind.NoText).Reason);
    }

    [Fact]
    public void Lines_that_cannot_be_used_are_kept_out_and_shown_and_the_others_are_read()
    {
        string[] lines =
        [
            """{"text": "good"}""",
            """{"text": "cut""",
            """["text"]""",
            """{"text": 5}""",
            """{"text": "half \ud83d"}""",
            """{"text": "twice", "text": "twice"}""",
            """{"text": "x", "a": 1, "a": 2}""",
            """{"text": ""}""",
            """{"text": "two"} {"text": "objects"}""",
            "{\"text\": \"\u001b[31mred\u001b]0;title\u0007\"}",
            new string('[', 200),
            """{"text": "good too"}""",
        ];
        var items = _folder.Read("a.jsonl", string.Join("\r\n", lines));
        Assert.Equal(["good", "good too"], Texts(items));
        Assert.Equal(lines.Length, items.Count);
        var bad = items.OfType<QuarantinedRecord>().ToList();
        Assert.Equal(Enumerable.Range(2, 10).Select(line => $"a.jsonl#{line}"), bad.Select(record => record.Id));
        Assert.All(bad, record => Assert.Equal(record.Id == "a.jsonl#8" ? QuarantineKind.NoText : QuarantineKind.Malformed, record.Kind));
        Assert.Contains("text is a JSON Number, expected a string", bad[2].Reason);
        Assert.Contains("surrogate", bad[3].Reason);
        Assert.Contains("the field text twice", bad[4].Reason);
        Assert.Contains("the field a twice", bad[5].Reason);
        Assert.Equal("{\"text\": \"\\u001B[31mred\\u001B]0;title\\u0007\"}", bad[8].Excerpt.TrimEnd('\\', 'r'));
        Assert.DoesNotContain(bad, record => record.ToString().Any(char.IsControl));
        Assert.Equal($"a.jsonl, line 3, offset {lines[0].Length + lines[1].Length + 4}", bad[1].Where);
    }

    [Fact]
    public void A_byte_that_is_no_Utf8_costs_its_line_alone()
    {
        byte[] content = [.. "{\"text\": \"a\"}\n{\"text\": \"b"u8, 0xFF, .. "\"}\n{\"text\": \"c\"}"u8];
        var items = _folder.Read("a.jsonl", content);
        Assert.Equal(["a", "c"], Texts(items));
        var bad = Quarantined(items[1], QuarantineKind.Encoding);
        Assert.Equal("a.jsonl, line 2, offset 14", bad.Where);
        Assert.Contains("0xFF at offset 25", bad.Reason);
        Assert.Contains("\\xFF", bad.Excerpt);
    }

    [Fact]
    public void A_line_longer_than_allowed_is_skipped_and_the_next_one_read()
    {
        var options = new SourceOptions { MaxRecordBytes = 1000, SectionBytes = 1000 };
        string exact = "{\"text\": \"" + new string('x', 1000 - 12) + "\"}";
        var items = _folder.Read("a.jsonl", $"{exact}\n{exact} \n{{\"text\": \"b\"}}\n{{\"text\": \"{new string('y', 1_000_000)}\"}}\n{{\"text\": \"c\"}}\n{exact} ", options);
        Assert.Equal([new string('x', 988), "b", "c"], Texts(items));
        Assert.Contains("a line of 1002 bytes, allowed are 1000", Quarantined(items[1], QuarantineKind.TooLong).Reason);
        Assert.StartsWith("{\"text\": \"yyyy", Quarantined(items[3], QuarantineKind.TooLong).Excerpt);
        Quarantined(items[5], QuarantineKind.TooLong);
    }

    [Fact]
    public void A_very_long_line_takes_no_more_memory_than_a_line_may_have()
    {
        // 300 MB of one line, as they come out of a small file.
        var zstd = new MemoryStream();
        using (var stream = new ZstdSharp.CompressionStream(zstd, 3, 0, leaveOpen: true))
        {
            stream.Write("{\"text\": \""u8);
            byte[] block = Encoding.ASCII.GetBytes(new string('z', 1 << 20));
            for (int i = 0; i < 300; i++) stream.Write(block);
            stream.Write("\"}\n{\"text\": \"after\"}\n"u8);
        }
        string path = _folder.Write("a.jsonl.zst", zstd.ToArray());
        var options = new SourceOptions { MaxRecordBytes = 1 << 20, MaxExpansion = int.MaxValue };
        long before = GC.GetAllocatedBytesForCurrentThread();
        var items = new SourceReader(options).Read(FileOf(path)).ToList();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
        Quarantined(items[0], QuarantineKind.TooLong);
        Assert.Equal("after", Document(items[1]).Text);
    }

    [Fact]
    public void An_array_or_an_indented_object_is_one_problem_and_not_one_for_each_line()
    {
        var array = Quarantined(Assert.Single(_folder.Read("a.json", "[\n{\"text\": \"a\"},\n{\"text\": \"b\"}\n]")), QuarantineKind.Damaged);
        Assert.Contains("one JSON object a line", array.Reason);
        Quarantined(Assert.Single(_folder.Read("b.json", "{\n  \"text\": \"a\"\n}\n")), QuarantineKind.Damaged);
        Assert.Equal(["a"], Texts(_folder.Read("c4.json", "{\"text\": \"a\"}\n")));
    }

    [Fact]
    public void An_empty_file_says_so()
    {
        Assert.Contains("empty", Quarantined(Assert.Single(_folder.Read("a.jsonl", "")), QuarantineKind.NoText).Reason);
        Quarantined(Assert.Single(_folder.Read("b.jsonl", "\n\n \n")), QuarantineKind.NoText);
    }

    [Fact]
    public void Half_of_a_pair_in_Utf16_costs_its_line_alone()
    {
        byte[] content = [0xFE, 0xFF, .. Encoding.BigEndianUnicode.GetBytes("{\"text\": \"ä🙂\"}\n{\"text\": \"b"), 0xD8, 0x3D, .. Encoding.BigEndianUnicode.GetBytes("\"}\n{\"text\": \"c\"}\n")];
        var items = _folder.Read("a.jsonl", content);
        Assert.Equal(["ä🙂", "c"], Texts(items));
        Assert.Equal("utf-16BE", Document(items[0]).Metadata["source.encoding"]);
        Quarantined(items[1], QuarantineKind.Encoding);
    }

    [Fact]
    public void Reading_goes_on_at_any_record_with_the_same_items_whatever_the_lines_are()
    {
        var random = new Random(5);
        string[] pieces = ["{\"text\": \"a\"}", "\n", "\n", "\r\n", "\u00FF", "  ", "{\"text\": \"b\", \"x\": [1]}", new string('x', 46)];
        for (int i = 0; i < 200; i++)
        {
            string content = string.Concat(Enumerable.Range(0, random.Next(30)).Select(_ => pieces[random.Next(pieces.Length)]));
            _folder.Read("a.jsonl", Encoding.Latin1.GetBytes(content), new SourceOptions { MaxRecordBytes = 40, SectionBytes = 10 });
        }
    }
}
