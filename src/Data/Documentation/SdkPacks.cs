using System.Runtime.InteropServices;

namespace ElasticTrain.Data;

/// <summary>Finds the reference documentation of the .NET SDK that is running.</summary>
internal static class SdkPacks
{
    /// <summary>Folders that may be a .NET installation, most trusted first: the running runtime's, DOTNET_ROOT, the dotnet on the PATH.</summary>
    internal static IEnumerable<string> InstallationFolders()
    {
        // <root>/shared/Microsoft.NETCore.App/<version>/
        string? folder = Path.TrimEndingDirectorySeparator(RuntimeEnvironment.GetRuntimeDirectory());
        for (int i = 0; i < 3; i++) folder = Path.GetDirectoryName(folder);
        if (folder is not null) yield return folder;

        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root) yield return root;

        string executable = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        foreach (string entry in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var file = new FileInfo(Path.Combine(entry, executable));
            if (!file.Exists) continue;
            string resolved = file.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? file.FullName;
            if (Path.GetDirectoryName(resolved) is { } directory) yield return directory;
        }
    }

    /// <summary>
    /// The documentation files of the first installation that has any: packs/NAME/VERSION/ref/FRAMEWORK/*.xml, packs in the order of their
    /// names, newer versions first.
    /// </summary>
    /// <param name="installations">Folders to look in.</param>
    /// <returns>The files and the packs that they are from; no files if there are none.</returns>
    internal static (List<string> Files, List<string> Packs) Find(IEnumerable<string> installations)
    {
        foreach (string root in installations.Select(Path.GetFullPath).Distinct())
        {
            string packs = Path.Combine(root, "packs");
            if (!Directory.Exists(packs)) continue;
            var files = new List<string>();
            var names = new List<string>();
            foreach (string pack in Sorted(packs))
            {
                foreach (string version in Sorted(pack).OrderByDescending(VersionOf))
                {
                    string reference = Path.Combine(version, "ref");
                    if (!Directory.Exists(reference)) continue;
                    int before = files.Count;
                    foreach (string framework in Sorted(reference).Reverse())
                        files.AddRange(Directory.GetFiles(framework, "*.xml").Order(StringComparer.Ordinal));
                    if (files.Count > before) names.Add($"{Path.GetFileName(pack)} {Path.GetFileName(version)}");
                }
            }
            if (files.Count > 0) return (files, names);
        }
        return ([], []);
    }

    private static IEnumerable<string> Sorted(string directory) => Directory.GetDirectories(directory).Order(StringComparer.Ordinal);

    private static Version VersionOf(string directory) =>
        Version.TryParse(Path.GetFileName(directory).Split('-')[0], out var version) ? version : new Version(0, 0);
}
