using ElasticTrain.Core;

namespace ElasticTrain.Host.Launching;

/// <summary>A program and the arguments that come before its own.</summary>
/// <param name="File">The file to run.</param>
/// <param name="Prefix">For <c>dotnet NAME.dll</c>: the assembly.</param>
public sealed record Executable(string File, IReadOnlyList<string> Prefix);

/// <summary>Finds this project's executables, whether they run through their own host file or as <c>dotnet NAME.dll</c>.</summary>
public static class Executables
{
    /// <summary>This very program, as it was started.</summary>
    public static Executable ElasticTrain()
    {
        string process = Environment.ProcessPath ?? throw new ElasticTrainException("The path of the running program is not known.");
        string assembly = Path.Combine(AppContext.BaseDirectory, "elastictrain.dll");
        return IsDotnet(process) ? new Executable(process, [assembly]) : new Executable(process, []);
    }

    /// <summary>The seed node: in the folder <c>lighthouse</c> beside this program, where the build puts it, or directly beside it.</summary>
    /// <exception cref="ElasticTrainException">It is in neither place.</exception>
    public static Executable Lighthouse() => Lighthouse(AppContext.BaseDirectory);

    /// <summary>As above, beside a program in the given folder.</summary>
    public static Executable Lighthouse(string baseDirectory)
    {
        string name = OperatingSystem.IsWindows() ? "lighthouse.exe" : "lighthouse";
        string[] folders = [Path.Combine(baseDirectory, "lighthouse"), baseDirectory];
        foreach (string folder in folders)
        {
            string host = Path.Combine(folder, name), assembly = Path.Combine(folder, "lighthouse.dll");
            // A portable publish has no host file; then the dotnet that runs this program runs the seed node too.
            if (File.Exists(host)) return new Executable(host, []);
            if (File.Exists(assembly)) return new Executable(Environment.ProcessPath is { } path && IsDotnet(path) ? path : "dotnet", [assembly]);
        }
        throw new ElasticTrainException($"The lighthouse executable is missing: looked in {string.Join(" and ", folders)}.");
    }

    private static bool IsDotnet(string path) => Path.GetFileNameWithoutExtension(path).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
}
