using ElasticTrain.Core;

namespace ElasticTrain.Data.Sources;

/// <summary>
/// The files below a folder. Hidden ones are left out. Links are reported and never followed, so that a loop of links ends and no file comes twice.
/// </summary>
/// <param name="list">Lists a folder.</param>
internal sealed class FolderWalk(Func<DirectoryInfo, IEnumerable<FileSystemInfo>> list)
{
    internal readonly record struct Found(string Name, string Path, long Bytes, bool IsLink);

    internal FolderWalk() : this(folder => folder.EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false })) { }

    /// <summary>Files and links, in the order of their names.</summary>
    /// <param name="root">The folder.</param>
    /// <param name="depth">How many folders deep; 1 is the folder alone.</param>
    /// <exception cref="BadInputException">A folder cannot be listed.</exception>
    internal List<Found> Files(string root, int depth = int.MaxValue)
    {
        var found = new List<Found>();
        var open = new Stack<(DirectoryInfo Folder, string Prefix, int Depth)>();
        open.Push((new DirectoryInfo(root), "", depth));
        while (open.TryPop(out var folder))
        {
            foreach (var entry in List(folder.Folder))
            {
                if (entry.Name.StartsWith('.') || (entry.Attributes & FileAttributes.Hidden) != 0) continue;
                string name = folder.Prefix + entry.Name;
                if ((entry.Attributes & FileAttributes.ReparsePoint) != 0) found.Add(new Found(name, entry.FullName, 0, IsLink: true));
                else if (entry is FileInfo file) found.Add(new Found(name, file.FullName, file.Length, IsLink: false));
                else if (folder.Depth > 1) open.Push(((DirectoryInfo)entry, name + '/', folder.Depth - 1));
            }
        }
        found.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return found;
    }

    private List<FileSystemInfo> List(DirectoryInfo folder)
    {
        try
        {
            return [.. list(folder)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(Excerpt.Escape(folder.FullName), Excerpt.Escape(error.Message), "a folder that can be listed", error);
        }
    }
}
