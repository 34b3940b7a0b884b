using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class TokenizerTextTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_lines_and_folders_are_read()
    {
        Directory.CreateDirectory(_folder["in/deeper"]);
        File.WriteAllText(_folder["in/a.txt"], "\uFEFFone\n", new UTF8Encoding(false));
        File.WriteAllText(_folder["in/deeper/b.cs"], "two");
        File.WriteAllText(_folder["in/picture.png"], "no");
        File.WriteAllText(_folder["in/empty.md"], "");
        File.WriteAllText(_folder["in/c.jsonl"], "{\"text\": \"thr\\u00e9e\"}\n\n{\"text\": \"\"}\r\n{\"prompt\": \"fo\", \"completion\": \"ur\"}");
        File.WriteAllText(_folder["five.unknown"], "five");
        Assert.Equal(["one\n", "thrée", "four", "two", "five"], Texts(TokenizerText.Read([_folder["in"], _folder["five.unknown"]])));
    }

    [Fact]
    public void Parts_of_a_large_file_have_the_pre_tokens_of_the_whole()
    {
        string text = string.Concat(Enumerable.Range(0, 300).Select(i => RandomText.Of(i, 30) + "word\nNext" + RandomText.Words(i, 5, 3) + "\n\n"));
        File.WriteAllText(_folder["large.txt"], text);
        var parts = TokenizerText.Text(_folder["large.txt"], 256, 1 << 20).ToList();
        Assert.True(parts.Count > 50, $"{parts.Count}");
        Assert.Equal(text, string.Concat(Texts(parts)));
        foreach (PreTokenization rules in Enum.GetValues<PreTokenization>())
        {
            List<int> Ends(IEnumerable<ReadOnlyMemory<byte>> documents)
            {
                var (ends, start) = (new List<int>(), 0);
                foreach (ReadOnlyMemory<byte> document in documents)
                {
                    foreach (int end in new PreTokenScanner(rules).Scan(document.Span)) ends.Add(start + end);
                    start += document.Length;
                }
                return ends;
            }
            Assert.Equal(Ends([Encoding.UTF8.GetBytes(text)]), Ends(parts));
        }
    }

    [Fact]
    public void A_file_without_a_good_place_is_cut_between_characters()
    {
        string text = string.Concat(Enumerable.Repeat("世界🙂", 1000));
        File.WriteAllText(_folder["line.txt"], text);
        var parts = TokenizerText.Text(_folder["line.txt"], 100, 999).ToList();
        Assert.True(parts.Count > 9);
        Assert.All(Texts(parts), part => Assert.DoesNotContain('\uFFFD', part));
        Assert.Equal(text, string.Concat(Texts(parts)));
    }

    [Fact]
    public void Lines_are_whole_however_small_the_parts_are()
    {
        File.WriteAllLines(_folder["many.jsonl"], Enumerable.Range(0, 500).Select(i => $"{{\"text\": \"{new string('x', i)}y\"}}"));
        Assert.Equal(Enumerable.Range(0, 500).Select(i => new string('x', i) + "y"), Texts(TokenizerText.JsonLines(_folder["many.jsonl"], 64, 1 << 20)));
    }

    [Fact]
    public void Mistakes_are_named_with_their_place()
    {
        Assert.Contains("no such file or folder", Refusal("nowhere"));
        File.WriteAllBytes(_folder["bad.txt"], [.. "fine ä"u8, 0xC3, 0x28]);
        Assert.Contains("bad.txt, offset 7", Refusal("bad.txt"));
        File.WriteAllText(_folder["bad.jsonl"], "{\"text\": \"good\"}\n\n{\"words\": 1}\n");
        Assert.Contains("bad.jsonl, line 3", Refusal("bad.jsonl"));
        File.WriteAllBytes(_folder["bytes.jsonl"], [.. "{\"text\": \""u8, 0xFF, .. "\"}"u8]);
        Assert.Contains("offset 10", Refusal("bytes.jsonl"));

        string Refusal(string name) => Assert.Throws<BadInputException>(() => TokenizerText.Read([_folder[name]]).Count()).Message;
    }

    private static IEnumerable<string> Texts(IEnumerable<ReadOnlyMemory<byte>> documents) => documents.Select(document => Encoding.UTF8.GetString(document.Span));
}
