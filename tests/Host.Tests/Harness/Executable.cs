namespace ElasticTrain.Host.Tests.Harness;

/// <summary>Finds the built executables in the artifacts layout, from where the test assembly lies: artifacts/bin/PROJECT/CONFIGURATION/.</summary>
public static class Executable
{
    private static readonly DirectoryInfo Output = new(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));

    public static string ElasticTrain => Find("Host", "elastictrain");

    public static string Lighthouse => Find("Lighthouse", "lighthouse");

    /// <summary>The clone's root folder.</summary>
    public static string Root => Output.Parent!.Parent!.Parent!.Parent!.FullName;

    private static string Find(string project, string name)
    {
        string path = Path.Combine(Output.Parent!.Parent!.FullName, project, Output.Name, name);
        return File.Exists(path) ? path : throw new FileNotFoundException($"Build src/{project} first: there is no {path}.", path);
    }
}
