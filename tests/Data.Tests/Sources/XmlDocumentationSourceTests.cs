using ElasticTrain.Data.Sources;
using static ElasticTrain.Data.Tests.SourceFolder;

namespace ElasticTrain.Data.Tests;

public sealed class XmlDocumentationSourceTests : IDisposable
{
    private readonly SourceFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_documentation_of_a_folder_is_read_together_and_gives_what_the_older_reader_gives()
    {
        WriteAssembly("b.xml", "N.A", "N.B");
        WriteAssembly("sub/a.xml", "N.A.Inner", "N.C");
        _folder.Write("data/notes.txt", "text");
        _folder.Write("data/other.xml", "<root>plain</root>");
        var listing = SourceListing.Of(new SourceSpec(_folder["data"]));
        Assert.Equal(["*.xml", "notes.txt", "other.xml"], listing.Files.Select(file => file.Name));
        Assert.Equal(["b.xml", "sub/a.xml"], listing.Files[0].Parts.Select(part => part.Name));
        var reader = new SourceReader();
        var items = reader.Read(listing.Files[0]).ToList();
        Assert.Equal(["N.A", "N.B", "N.A.Inner", "N.C"], items.Select(item => Document(item).Metadata["type"]));
        Assert.Equal("*.xml#2", items[1].Id);
        Assert.Contains("Summary of N.B.", Document(items[1]).Text);
        for (int i = 0; i < items.Count; i++) Assert.Equal(items.Skip(i + 1), reader.ReadFrom(listing.Files[0], items[i].Next));
        File.Delete(_folder["data/other.xml"]);
        File.Delete(_folder["data/notes.txt"]);
        Assert.Equal(TextSource.Read(_folder["data"]).Select(document => System.Text.Encoding.UTF8.GetString(document.Text)), Texts(items));
    }

    [Fact]
    public void A_file_that_is_no_XML_is_kept_out_and_the_others_are_read()
    {
        WriteAssembly("a.xml", "N.A");
        _folder.Write("data/b.xml", File.ReadAllText(_folder["data/a.xml"])[..^12]);
        var file = FileOf(_folder["data"]);
        var items = new SourceReader().Read(file).ToList();
        Assert.Contains("b.xml, line ", Quarantined(items[0], QuarantineKind.Malformed).Where);
        Assert.Equal("N.A", Document(items[1]).Metadata["type"]);
        Assert.Equal(items.Skip(1), new SourceReader().ReadFrom(file, items[0].Next));
        Quarantined(Assert.Single(new SourceReader(new SourceOptions { MaxGroupBytes = 10 }).Read(file)), QuarantineKind.TooLong);
        Assert.NotEqual(FileDigest.Of(file), FileDigest.Of(file with { Parts = [file.Parts[0]] }));
    }

    private void WriteAssembly(string name, params string[] types)
    {
        string members = string.Concat(types.Select(type => $"<member name=\"T:{type}\"><summary>Summary of {type}.</summary></member>"));
        _folder.Write($"data/{name}", $"<?xml version=\"1.0\"?><doc><assembly><name>X</name></assembly><members>{members}</members></doc>");
    }
}
