using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Control;

/// <summary>
/// DIR/nodes/NAME.pid holds the process number alone, for <c>kill -9 $(cat DIR/nodes/NAME.pid)</c>; NAME.start beside it holds the full identity, so that a number
/// that the system gave to another process is not taken for the node.
/// </summary>
public static class PidFile
{
    /// <summary>Writes both files.</summary>
    public static void Write(string runDirectory, string name, ProcessIdentity process)
    {
        string folder = NodeFile.Folder(runDirectory);
        AtomicFile.Write(Path.Combine(folder, $"{name}.start"), process.ToString());
        AtomicFile.Write(Path.Combine(folder, $"{name}.pid"), string.Create(CultureInfo.InvariantCulture, $"{process.Pid}\n"));
    }

    /// <summary>The processes of this folder that still live, by name.</summary>
    public static IReadOnlyList<(string Name, ProcessIdentity Process)> Live(string runDirectory)
    {
        string folder = NodeFile.Folder(runDirectory);
        if (!Directory.Exists(folder)) return [];
        var live = new List<(string, ProcessIdentity)>();
        foreach (string path in Directory.EnumerateFiles(folder, "*.start").Order(StringComparer.Ordinal))
        {
            if (Read(path) is { IsAlive: true } process) live.Add((Path.GetFileNameWithoutExtension(path), process));
        }
        return live;
    }

    private static ProcessIdentity? Read(string path)
    {
        try
        {
            return ProcessIdentity.Parse(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or BadInputException)
        {
            // Removed meanwhile, or not one of ours: no process to be found through it.
            return null;
        }
    }
}
