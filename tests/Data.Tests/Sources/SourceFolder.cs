using System.IO.Compression;
using System.Text;
using ElasticTrain.Data.Sources;

namespace ElasticTrain.Data.Tests;

/// <summary>A folder with source files for one test.</summary>
internal sealed class SourceFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    internal string Path => _folder.Path;

    internal string this[string name] => _folder[name];

    public void Dispose() => _folder.Dispose();

    internal string Write(string name, byte[] content)
    {
        string path = _folder[name];
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    internal string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    /// <summary>The one source file of a path.</summary>
    internal static SourceFile FileOf(string path) => Assert.Single(SourceListing.Of(new SourceSpec(path)).Files);

    /// <summary>Writes a file and reads it.</summary>
    internal List<SourceItem> Read(string name, byte[] content, SourceOptions? options = null) => ReadAgain(Write(name, content), options);

    internal List<SourceItem> Read(string name, string content, SourceOptions? options = null) => Read(name, Encoding.UTF8.GetBytes(content), options);

    /// <summary>Reads a file, and after every item once more from there: what follows must be the same.</summary>
    internal static List<SourceItem> ReadAgain(string path, SourceOptions? options = null)
    {
        var reader = new SourceReader(options);
        var file = FileOf(path);
        var items = reader.Read(file).ToList();
        for (int i = 0; i < items.Count; i++) Assert.Equal(items.Skip(i + 1), reader.ReadFrom(file, items[i].Next));
        Assert.Equal(items.Count, items.Select(item => item.Id).Distinct().Count());
        return items;
    }

    internal static SourceDocument Document(SourceItem item) => Assert.IsType<SourceDocument>(item);

    internal static QuarantinedRecord Quarantined(SourceItem item, QuarantineKind kind)
    {
        var record = Assert.IsType<QuarantinedRecord>(item);
        Assert.True(kind == record.Kind, $"{record}");
        return record;
    }

    internal static IEnumerable<string> Texts(IEnumerable<SourceItem> items) => items.OfType<SourceDocument>().Select(document => document.Text);

    internal static byte[] Gzip(byte[] content)
    {
        var result = new MemoryStream();
        using (var gzip = new GZipStream(result, CompressionLevel.Optimal, leaveOpen: true)) gzip.Write(content);
        return result.ToArray();
    }

    internal static byte[] Gzip(string content) => Gzip(Encoding.UTF8.GetBytes(content));

    internal static byte[] Zstd(byte[] content)
    {
        var result = new MemoryStream();
        using (var zstd = new ZstdSharp.CompressionStream(result, 3, 0, leaveOpen: true)) zstd.Write(content);
        return result.ToArray();
    }

    /// <summary>Lines of JSON that do not compress to nothing.</summary>
    internal static string Lines(int count) =>
        string.Concat(Enumerable.Range(0, count).Select(i => $$"""{"text": "line {{i}} {{Core.Digest256.Of($"{i}")}} {{Core.Digest256.Of($"{-i}")}}", "n": {{i}}}""" + "\n"));
}
