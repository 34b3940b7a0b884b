using System.Text.RegularExpressions;
using ElasticTrain.Core;
using Microsoft.Extensions.FileSystemGlobbing;

namespace ElasticTrain.Data.Sources;

/// <summary>The files of some sources, found and named before anything is read. The order in which sources are given changes nothing.</summary>
public sealed partial class SourceListing
{
    private const string Expected = "text, JSON lines, Parquet, HTML or .NET XML documentation, plain or in gzip or zstd";

    /// <summary>XML documentation says what it is within its first elements.</summary>
    private const int XmlHeadBytes = 64 << 10;

    private SourceListing(IReadOnlyList<SourceFile> files, IReadOnlyList<LeftOutFile> leftOut) => (Files, LeftOut) = (files, leftOut);

    /// <summary>The files to read, by name (ordinal); no two have one name.</summary>
    public IReadOnlyList<SourceFile> Files { get; }

    /// <summary>What was found and is not read: links, and files of other kinds. Hidden files are not among them.</summary>
    public IReadOnlyList<LeftOutFile> LeftOut { get; }

    /// <summary>Finds the files of sources.</summary>
    /// <exception cref="BadInputException">A source is not there, cannot be listed or has nothing usable in it; two files have one name.</exception>
    public static SourceListing Of(params IReadOnlyList<SourceSpec> sources)
    {
        var files = new List<SourceFile>();
        var leftOut = new List<LeftOutFile>();
        foreach (var source in sources) Add(source, files, leftOut);
        files.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        leftOut.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        foreach (var file in files.SelectMany(file => file.Parts.Count == 0 ? [file] : file.Parts).GroupBy(file => file.Name, StringComparer.Ordinal)) CheckUnique([.. file]);
        foreach (var file in files.GroupBy(file => file.Name, StringComparer.Ordinal)) CheckUnique([.. file]);
        return new SourceListing(files, leftOut);
    }

    private static void CheckUnique(List<SourceFile> files)
    {
        string name = files[0].Name, paths = string.Join(" and ", files.Select(file => file.Path).Order(StringComparer.Ordinal));
        if (files.Count > 1) throw new BadInputException(Excerpt.Escape(paths), $"one name, {Excerpt.Escape(name)}", "names that differ: give one source a prefix, or give it once");
        // The id of such a file could be that of another file's record.
        if (RecordName().IsMatch(name)) throw new BadInputException(Excerpt.Escape(paths), "a name that ends like the id of a record", "no # and number at the end of a file's name");
    }

    private static void Add(SourceSpec source, List<SourceFile> files, List<LeftOutFile> leftOut)
    {
        string path = source.Path;
        int before = files.Count, leftOutBefore = leftOut.Count;
        if (File.Exists(path)) AddNamed(source, files);
        else if (Directory.Exists(path)) AddFound(source, path, new FolderWalk().Files(path), files, leftOut);
        else if (path.Contains('*', StringComparison.Ordinal)) AddMatches(source, files, leftOut);
        else throw new BadInputException(Excerpt.Escape(path), "no such file or folder", Expected);
        if (files.Count > before) return;
        string reasons = string.Join("; ", leftOut.Skip(leftOutBefore).Take(3).Select(file => $"{file.Name}: {file.Reason}"));
        throw new BadInputException(Excerpt.Escape(path), reasons.Length == 0 ? "no files" : $"nothing usable ({reasons})", Expected);
    }

    private static void AddNamed(SourceSpec source, List<SourceFile> files)
    {
        string name = Path.GetFileName(source.Path);
        CheckLink(source.Path);
        var (kind, reason) = SourceFormats.Of(name, isNamed: true);
        if (kind is not { } known) throw new BadInputException(Excerpt.Escape(source.Path), reason, Expected);
        var file = new SourceFile(source.Prefix + name, source.Path, known.Format, known.Compression, new FileInfo(source.Path).Length);
        files.Add(IsXmlDocumentation(file) ? file with { Format = SourceFormat.XmlDocumentation, Parts = [file] } : file);
    }

    /// <summary>A link to itself or to nothing counts as a file until it is opened.</summary>
    private static void CheckLink(string path)
    {
        try
        {
            if (File.ResolveLinkTarget(path, returnFinalTarget: true) is { Exists: false } target)
                throw new BadInputException(Excerpt.Escape(path), $"a link to {Excerpt.Escape(target.FullName)}, which is not there", "a file");
        }
        catch (IOException error)
        {
            throw new BadInputException(Excerpt.Escape(path), Excerpt.Escape(error.Message), "a file", error);
        }
    }

    private static void AddMatches(SourceSpec source, List<SourceFile> files, List<LeftOutFile> leftOut)
    {
        string pattern = OperatingSystem.IsWindows() ? source.Path.Replace('\\', '/') : source.Path;
        int fixedEnd = pattern.LastIndexOf('/', pattern.IndexOf('*', StringComparison.Ordinal)) + 1;
        string root = fixedEnd == 0 ? "." : pattern[..fixedEnd];
        if (!Directory.Exists(root)) throw new BadInputException(Excerpt.Escape(source.Path), $"no folder {Excerpt.Escape(root)}", "a folder before the first *");
        string rest = pattern[fixedEnd..];
        int depth = rest.Contains("**", StringComparison.Ordinal) ? int.MaxValue : rest.Count(c => c == '/') + 1;
        var found = new FolderWalk().Files(root, depth);
        // The matcher is given names: left to itself it would follow links.
        var matches = new Matcher(StringComparison.Ordinal).AddInclude(rest).Match(found.Select(file => file.Name)).Files.Select(match => match.Path).ToHashSet(StringComparer.Ordinal);
        AddFound(source, root, found.Where(file => matches.Contains(file.Name)), files, leftOut);
    }

    private static void AddFound(SourceSpec source, string root, IEnumerable<FolderWalk.Found> found, List<SourceFile> files, List<LeftOutFile> leftOut)
    {
        var documentation = new List<SourceFile>();
        foreach (var one in found)
        {
            string name = source.Prefix + one.Name;
            var (kind, reason) = one.IsLink ? (null, "a link; name it if it is meant") : SourceFormats.Of(one.Name, isNamed: false);
            if (kind is not { } known)
            {
                leftOut.Add(new LeftOutFile(Excerpt.Escape(name), reason));
                continue;
            }
            var file = new SourceFile(name, one.Path, known.Format, known.Compression, one.Bytes);
            if (IsXmlDocumentation(file)) documentation.Add(file);
            else files.Add(file);
        }
        if (documentation.Count == 0) return;
        files.Add(new SourceFile(source.Prefix + "*.xml", root, SourceFormat.XmlDocumentation, Compression.None, documentation.Sum(file => file.Bytes)) { Parts = documentation });
    }

    private static bool IsXmlDocumentation(SourceFile file)
    {
        if (file.Compression != Compression.None || !file.Name.EndsWith(".xml", StringComparison.OrdinalIgnoreCase)) return false;
        using var stream = SourceBytes.OpenFile(file.Path);
        byte[] head = new byte[XmlHeadBytes];
        int read = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        return XmlDocumentation.Is(head[..read]);
    }

    [GeneratedRegex("#[0-9]+$", RegexOptions.CultureInvariant)]
    private static partial Regex RecordName();
}
