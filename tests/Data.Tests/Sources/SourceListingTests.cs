using ElasticTrain.Core;
using ElasticTrain.Data.Sources;
using static ElasticTrain.Data.Tests.SourceFolder;

namespace ElasticTrain.Data.Tests;

public sealed class SourceListingTests : IDisposable
{
    private readonly SourceFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_are_named_by_their_place_in_the_folder_in_ordinal_order_wherever_it_lies()
    {
        foreach (string root in new[] { "one", "two/deeper" })
            foreach (string name in new[] { "b.txt", "B.txt", "a/z.jsonl.gz", "a/b/c.parquet", "a-1.html", ".hidden.txt", ".git/x.txt", "picture.png", "README" }) _folder.Write($"{root}/{name}", "x");
        var first = SourceListing.Of(new SourceSpec(_folder["one"]));
        var second = SourceListing.Of(new SourceSpec(_folder["two/deeper/"]));
        Assert.Equal(["B.txt", "a-1.html", "a/b/c.parquet", "a/z.jsonl.gz", "b.txt"], first.Files.Select(file => file.Name));
        Assert.Equal(first.Files.Select(file => file with { Path = "" }), second.Files.Select(file => file with { Path = "" }));
        Assert.Equal(["README", "picture.png"], first.LeftOut.Select(file => file.Name));
        Assert.Contains(".png", first.LeftOut[1].Reason);
        Assert.Equal((SourceFormat.JsonLines, Compression.Gzip, 1L), (first.Files[3].Format, first.Files[3].Compression, first.Files[3].Bytes));
    }

    [Fact]
    public void The_order_of_sources_changes_nothing()
    {
        string a = _folder.Write("a.txt", "a"), b = _folder.Write("b.txt", "b"), c = _folder.Write("c/c.txt", "c");
        var one = SourceListing.Of(new SourceSpec(a), new SourceSpec(b), new SourceSpec(_folder["c"]));
        var other = SourceListing.Of(new SourceSpec(_folder["c"]), new SourceSpec(b), new SourceSpec(a));
        Assert.Equal(["a.txt", "b.txt", "c.txt"], one.Files.Select(file => file.Name));
        Assert.Equal(one.Files, other.Files);
        Assert.True(File.Exists(c));
    }

    [Fact]
    public void Two_files_of_one_name_are_refused_and_a_prefix_keeps_them_apart()
    {
        _folder.Write("one/a.txt", "1");
        _folder.Write("two/a.txt", "2");
        var error = Assert.Throws<BadInputException>(() => SourceListing.Of(new SourceSpec(_folder["one"]), new SourceSpec(_folder["two"])));
        Assert.Contains("one name, a.txt", error.Message);
        Assert.Contains(_folder["one/a.txt"], error.Message);
        Assert.Contains(_folder["two/a.txt"], error.Message);
        Assert.Throws<BadInputException>(() => SourceListing.Of(new SourceSpec(_folder["one"]), new SourceSpec(_folder["one/a.txt"])));
        Assert.Equal(["a.txt", "two/a.txt"], SourceListing.Of(new SourceSpec(_folder["one"]), new SourceSpec(_folder["two"], "two/")).Files.Select(file => file.Name));
    }

    [Fact]
    public void Patterns_choose_files_and_names_begin_behind_the_fixed_part()
    {
        foreach (string name in new[] { "data/a.jsonl.gz", "data/x/b.jsonl.gz", "data/x/y/c.jsonl.gz", "data/x/d.txt", "data/x/.h.jsonl.gz", "data/X/e.JSONL.GZ" }) _folder.Write(name, "x");
        Assert.Equal(["a.jsonl.gz", "x/b.jsonl.gz", "x/y/c.jsonl.gz"], Names("data/**/*.jsonl.gz"));
        Assert.Equal(["a.jsonl.gz"], Names("data/*.jsonl.gz"));
        Assert.Equal(["x/b.jsonl.gz", "x/d.txt"], Names("data/x*/*"));
        Assert.Contains("no files", Assert.Throws<BadInputException>(() => Names("data/*.zst")).Message);
        Assert.Contains("no folder", Assert.Throws<BadInputException>(() => Names("nowhere/*.txt")).Message);

        IEnumerable<string> Names(string pattern) => SourceListing.Of(new SourceSpec(_folder[pattern])).Files.Select(file => file.Name);
    }

    [Fact]
    public void Loops_of_links_end_and_links_are_reported_and_not_followed()
    {
        _folder.Write("data/a.txt", "x");
        Directory.CreateSymbolicLink(_folder["data/loop"], _folder["data"]);
        File.CreateSymbolicLink(_folder["data/self.txt"], "self.txt");
        File.CreateSymbolicLink(_folder["data/other.txt"], _folder.Write("elsewhere.txt", "y"));
        foreach (string path in new[] { "data", "data/**/*.txt" })
        {
            var listing = SourceListing.Of(new SourceSpec(_folder[path]));
            Assert.Equal(["a.txt"], listing.Files.Select(file => file.Name));
            if (path == "data") Assert.Equal(["loop", "other.txt", "self.txt"], listing.LeftOut.Select(file => file.Name));
            Assert.All(listing.LeftOut, file => Assert.Contains("link", file.Reason));
        }
        Assert.Throws<BadInputException>(() => SourceListing.Of(new SourceSpec(_folder["data/self.txt"])));
        // A link that the user names is meant.
        Assert.Equal(["y"], Texts(ReadAgain(_folder["data/other.txt"])));
    }

    [Fact]
    public void A_folder_without_permission_is_an_error_that_names_it()
    {
        _folder.Write("data/secret/a.txt", "x");
        var walk = new FolderWalk(folder => folder.Name == "secret" ? throw new UnauthorizedAccessException("Access denied") : folder.EnumerateFileSystemInfos());
        var error = Assert.Throws<BadInputException>(() => walk.Files(_folder["data"]));
        Assert.Contains("secret", error.Where);
        Assert.Contains("Access denied", error.Message);
    }

    [Fact]
    public void A_pipe_among_the_files_is_not_waited_for()
    {
        if (OperatingSystem.IsWindows()) return;
        foreach (string name in new[] { "a.txt", "b.jsonl", "c.parquet", "d.xml", "e.jsonl.gz" })
        {
            using (var made = System.Diagnostics.Process.Start("mkfifo", _folder[name])) made.WaitForExit();
            Quarantined(Assert.Single(new SourceReader().Read(FileOf(_folder[name]))), QuarantineKind.NoText);
        }
    }

    [Fact]
    public void What_the_system_refuses_is_an_error_that_names_the_file()
    {
        string path = _folder.Write("a.txt", "x");
        var file = FileOf(path);
        File.Delete(path);
        Assert.Contains("a.txt", Assert.Throws<BadInputException>(() => new SourceReader().Read(file).ToList()).Message);
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess) return;
        _folder.Write("a.txt", "x");
        File.SetUnixFileMode(path, UnixFileMode.None);
        Assert.Contains("denied", Assert.Throws<BadInputException>(() => new SourceReader().Read(file).ToList()).Message);
    }

    [Fact]
    public void A_position_is_a_line_of_JSON_and_one_beyond_the_file_is_refused()
    {
        foreach (string path in new[] { _folder.Write("a.jsonl", Lines(3)), _folder.Write("b.jsonl.gz", Gzip(Lines(3))) })
        {
            var next = new SourceReader().Read(FileOf(path)).First().Next;
            string json = System.Text.Json.JsonSerializer.Serialize(next);
            Assert.Equal($$"""{"Record":1,"Offset":{{next.Offset}}}""", json);
            Assert.Equal(next, System.Text.Json.JsonSerializer.Deserialize<SourcePosition>(json));
            var error = Assert.Throws<BadInputException>(() => new SourceReader().ReadFrom(FileOf(path), new SourcePosition(3, 10_000)).ToList());
            Assert.Contains("not the one that was read before", error.Message);
        }
    }

    [Fact]
    public void What_cannot_be_read_is_refused_with_the_reason()
    {
        Assert.Contains("convert it to JSON lines or Parquet", Refusal(_folder.Write("a.csv", "a,b")));
        Assert.Contains("unpack it", Refusal(_folder.Write("a.tar.gz", "x")));
        Assert.Contains("decompress it", Refusal(_folder.Write("a.parquet.gz", "x")));
        Assert.Contains("no such file or folder", Refusal(_folder["nothing.txt"]));
        Assert.Contains("id of a record", Refusal(_folder.Write("a.jsonl#3", "x")));
        Directory.CreateDirectory(_folder["empty"]);
        Assert.Contains("no files", Refusal(_folder["empty"]));
        _folder.Write("tables/a.csv", "x");
        Assert.Contains("nothing usable (a.csv: .csv is not read", Refusal(_folder["tables"]));
        // Named by the user, a file of an unknown kind is text.
        Assert.Equal(SourceFormat.Text, FileOf(_folder.Write("NOTES.strange", "x")).Format);

        static string Refusal(string path) => Assert.Throws<BadInputException>(() => SourceListing.Of(new SourceSpec(path))).Message;
    }

    [Fact]
    public void Names_that_a_terminal_would_obey_are_escaped_in_what_is_shown()
    {
        _folder.Write("data/\u001b[31m.png", "x");
        var items = _folder.Read("data/\u001b[31m.jsonl", "no json\n");
        Assert.Equal("\\u001B[31m.jsonl, line 1, offset 0", Quarantined(items[0], QuarantineKind.Malformed).Where);
        Assert.Equal("\\u001B[31m.png", Assert.Single(SourceListing.Of(new SourceSpec(_folder["data"])).LeftOut).Name);
    }

    [Fact]
    public void Digests_are_of_the_contents_alone()
    {
        byte[] content = [.. Enumerable.Range(0, 1_000_000).Select(i => (byte)(i % 251))];
        Assert.Equal(Digest256.Of(content), FileDigest.Of(_folder.Write("a.bin", content)));
        Assert.Equal(FileDigest.Of(_folder["a.bin"]), FileDigest.Of(FileOf(_folder["a.bin"])));
        Assert.Equal(Digest256.Of(""), FileDigest.Of(_folder.Write("b.bin", "")));
    }
}
