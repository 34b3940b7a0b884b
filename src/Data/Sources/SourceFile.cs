namespace ElasticTrain.Data.Sources;

/// <summary>A file that is read as one.</summary>
/// <param name="Name">The stable name, with <c>/</c>: the path below the source, whatever folder that lies in.</param>
/// <param name="Path">Where the file lies.</param>
/// <param name="Format">How it is read.</param>
/// <param name="Compression">What it is packed with.</param>
/// <param name="Bytes">Its size as stored.</param>
public sealed record SourceFile(string Name, string Path, SourceFormat Format, Compression Compression, long Bytes)
{
    /// <summary>The files that it stands for, by name; none if it is a file itself. XML documentation is read together: a type's members are in several files.</summary>
    public IReadOnlyList<SourceFile> Parts { get; init; } = [];
}

/// <summary>A file that was found and is not read.</summary>
/// <param name="Name">Its name as a source file would have it; safe to print.</param>
/// <param name="Reason">Why.</param>
public readonly record struct LeftOutFile(string Name, string Reason);

/// <summary>Where documents come from: a file, a folder, or a pattern with <c>*</c> and <c>**</c>.</summary>
/// <param name="Path">The path.</param>
/// <param name="Prefix">What stands before the names of its files, such as <c>wiki/</c>; keeps sources with equal file names apart.</param>
public readonly record struct SourceSpec(string Path, string Prefix = "");
