using System.Text;
using ElasticTrain.Data.Sources;
using static ElasticTrain.Data.Tests.SourceFolder;

namespace ElasticTrain.Data.Tests;

public sealed class CompressedSourceTests : IDisposable
{
    private readonly SourceFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Kinds => ["gz", "zst"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Compressed_lines_texts_and_pages_give_what_the_plain_ones_give(string kind)
    {
        foreach ((string name, string content) in new[] { ("a.jsonl", Lines(300)), ("a.txt", "Ein Text\n"), ("a.html", "<p>page</p>") })
        {
            var plain = _folder.Read(name, content);
            var packed = _folder.Read($"{name}.{kind}", Pack(kind, Encoding.UTF8.GetBytes(content)));
            Assert.Equal(Texts(plain), Texts(packed));
            Assert.Equal(plain.Select(item => item.Id.Replace(name, $"{name}.{kind}", StringComparison.Ordinal)), packed.Select(item => item.Id));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Several_members_are_one_text_wherever_they_are_cut(string kind)
    {
        byte[] content = Encoding.UTF8.GetBytes(Lines(400));
        var random = new Random(3);
        for (int round = 0; round < 12; round++)
        {
            var packed = new List<byte>();
            for (int at = 0; at < content.Length;)
            {
                int length = Math.Min(random.Next(3) == 0 ? 0 : random.Next(20_000), content.Length - at);
                packed.AddRange(Pack(kind, content[at..(at + length)]));
                at += length;
            }
            if (kind == "gz" && round % 2 == 1) packed.AddRange(new byte[random.Next(1000)]);
            File.WriteAllBytes(_folder["a.jsonl." + kind], [.. packed]);
            var items = new SourceReader().Read(FileOf(_folder["a.jsonl." + kind])).ToList();
            Assert.Equal(400, Texts(items).Count());
            Assert.Equal(400, items.Count);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_file_cut_off_anywhere_gives_the_lines_before_and_then_says_that_it_is_damaged(string kind)
    {
        byte[] packed = Pack(kind, Encoding.UTF8.GetBytes(Lines(3000)));
        var whole = Texts(new SourceReader().Read(FileOf(_folder.Write("whole.jsonl." + kind, packed)))).ToList();
        int[] lengths = [1, 5, 12, packed.Length / 3, packed.Length / 2, packed.Length - 9, packed.Length - 4, packed.Length - 1];
        int most = 0;
        foreach (int length in lengths)
        {
            File.WriteAllBytes(_folder["a.jsonl." + kind], packed[..length]);
            var items = new SourceReader().Read(FileOf(_folder["a.jsonl." + kind])).ToList();
            var damage = Quarantined(items[^1], QuarantineKind.Damaged);
            Assert.True(damage.IsFileDamaged);
            Assert.Contains("cut off", damage.Reason);
            Assert.StartsWith($"a.jsonl.{kind}, line {items.Count}, offset ", damage.Where);
            Assert.Equal(whole.Take(items.Count - 1), Texts(items));
            Assert.True(items.Count >= most);
            most = items.Count;
        }
        // Everything but what the last block of the format holds.
        Assert.InRange(most, kind == "gz" ? 3000 : 1000, 3001);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Reading_goes_on_in_a_damaged_file_as_well(string kind)
    {
        byte[] packed = Pack(kind, Encoding.UTF8.GetBytes(Lines(60)));
        Quarantined(_folder.Read("a.jsonl." + kind, packed[..^10])[^1], QuarantineKind.Damaged);
    }

    [Fact]
    public void A_wrong_checksum_and_bytes_behind_the_end_are_damage_and_zeros_are_not()
    {
        byte[] packed = Gzip(Lines(50));
        byte[] flipped = [.. packed];
        flipped[^6] ^= 1;
        Assert.Contains("checksum", Quarantined(_folder.Read("a.jsonl.gz", flipped)[^1], QuarantineKind.Damaged).Reason);
        Assert.Contains("follow member 1", Quarantined(_folder.Read("b.jsonl.gz", [.. packed, 1, 2, 3])[^1], QuarantineKind.Damaged).Reason);
        Assert.Contains("follow member 1", Quarantined(_folder.Read("c.jsonl.gz", [.. packed, 0, .. packed])[^1], QuarantineKind.Damaged).Reason);
        Assert.Contains("no gzip file", Quarantined(Assert.Single(_folder.Read("d.jsonl.gz", Lines(3))), QuarantineKind.Damaged).Reason);
        Assert.Equal(50, Texts(_folder.Read("e.jsonl.gz", [.. packed, .. new byte[300]])).Count());
        Quarantined(_folder.Read("f.jsonl.zst", [.. Zstd(Encoding.UTF8.GetBytes(Lines(5))), 1, 2, 3, 4, 5])[^1], QuarantineKind.Damaged);
        Quarantined(Assert.Single(_folder.Read("g.jsonl.zst", Lines(3))), QuarantineKind.Damaged);
        Quarantined(Assert.Single(_folder.Read("h.jsonl.gz", "")), QuarantineKind.NoText);
    }

    [Fact]
    public void A_flipped_bit_in_gzip_never_goes_unnoticed()
    {
        byte[] packed = Gzip(Lines(40));
        var random = new Random(1);
        for (int i = 0; i < 100; i++)
        {
            byte[] flipped = [.. packed];
            // Beyond the header, whose time and system mean nothing.
            flipped[random.Next(10, packed.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(_folder["a.jsonl.gz"], flipped);
            Quarantined(new SourceReader().Read(FileOf(_folder["a.jsonl.gz"])).Last(), QuarantineKind.Damaged);
        }
    }

    [Fact]
    public void Header_fields_of_gzip_are_skipped()
    {
        byte[] packed = Gzip(Lines(4));
        byte[] header = [.. packed[..3], 4 | 8 | 16 | 2, .. packed[4..10], 3, 0, 1, 2, 3, .. "name\0comment\0"u8, 9, 9];
        Assert.Equal(4, Texts(_folder.Read("a.jsonl.gz", [.. header, .. packed[10..]])).Count());
        Assert.Contains("cut off", Quarantined(Assert.Single(_folder.Read("b.jsonl.gz", header[..^4])), QuarantineKind.Damaged).Reason);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_bomb_is_stopped_and_what_comes_before_it_is_delivered(string kind)
    {
        byte[] bomb = Pack(kind, [.. Encoding.UTF8.GetBytes(Lines(10)), .. new byte[6_000_000]]);
        var options = new SourceOptions { MaxExpansion = 100, ExpansionFrom = 1 << 20 };
        var items = _folder.Read("a.jsonl." + kind, bomb, options);
        Assert.Equal(10, Texts(items).Count());
        var stopped = Quarantined(items[^1], QuarantineKind.Expansion);
        Assert.True(stopped.IsFileDamaged);
        Assert.Contains("at most 100 times", stopped.Reason);
        Quarantined(_folder.Read("b.jsonl." + kind, bomb, new SourceOptions { MaxExpandedBytes = 4_000_000 })[^1], QuarantineKind.Expansion);
        Quarantined(_folder.Read("c.txt." + kind, bomb, options)[^1], QuarantineKind.Expansion);
        // With the default limits it is no bomb, it only ends with a line that is no JSON.
        Quarantined(_folder.Read("d.jsonl." + kind, bomb)[^1], QuarantineKind.Malformed);
    }

    private static byte[] Pack(string kind, byte[] content) => kind == "gz" ? Gzip(content) : Zstd(content);
}
