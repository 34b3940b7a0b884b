using System.Runtime.InteropServices;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Torch;

/// <summary>Finds the native libraries: a folder named by the user, the program's own output, or the NuGet package folder.</summary>
/// <param name="Torch">The folder that holds libtorch.</param>
/// <param name="Bridge">The path of libLibTorchSharp.so, TorchSharp's native half.</param>
internal sealed record LibTorchFolder(string Torch, string Bridge)
{
    /// <summary>Names another libtorch folder.</summary>
    internal const string Variable = "ELASTICTRAIN_LIBTORCH";

    /// <summary>What any libtorch folder for Linux holds, in the order in which the libraries are loaded.</summary>
    internal static readonly string[] TorchFiles = ["libc10.so", CpuFile, "libtorch.so"];

    /// <summary>The library with the operators and, inside it, MKL.</summary>
    internal const string CpuFile = "libtorch_cpu.so";

    private const string BridgeFile = "libLibTorchSharp.so";
    private const string TorchPackage = "libtorch-cpu-linux-x64", TorchVersion = "2.10.0", BridgePackage = "torchsharp", BridgeVersion = "0.107.0";

    /// <summary>The folders that this process uses.</summary>
    /// <exception cref="BadInputException">No folder holds libtorch, or the one that the user named lacks files.</exception>
    internal static LibTorchFolder Locate() => Locate(Environment.GetEnvironmentVariable(Variable));

    /// <summary>The folders that are used when <see cref="Variable"/> has the given value.</summary>
    internal static LibTorchFolder Locate(string? chosen)
    {
        string[] own = [AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native")];
        string torch;
        if (!string.IsNullOrEmpty(chosen))
        {
            string[] missing = [.. TorchFiles.Where(file => !File.Exists(Path.Combine(chosen, file)))];
            if (missing.Length > 0)
                throw new BadInputException($"{Variable}={chosen}", Directory.Exists(chosen) ? $"a folder without {string.Join(", ", missing)}" : "no such folder",
                    $"a libtorch {TorchVersion} folder with {string.Join(", ", TorchFiles)}");
            torch = Path.GetFullPath(chosen);
        }
        else
        {
            string[] candidates = [.. own, PackageFolder(TorchPackage, TorchVersion)];
            torch = candidates.FirstOrDefault(folder => TorchFiles.All(file => File.Exists(Path.Combine(folder, file))))
                ?? throw new BadInputException("libtorch", $"it in none of {string.Join(", ", candidates)}",
                    $"the NuGet package {TorchPackage} {TorchVersion} restored, or {Variable}=DIR naming a libtorch folder");
        }

        string[] bridges = [torch, .. own, PackageFolder(BridgePackage, BridgeVersion)];
        string bridge = bridges.Select(folder => Path.Combine(folder, BridgeFile)).FirstOrDefault(File.Exists)
            ?? throw new BadInputException(BridgeFile, $"it in none of {string.Join(", ", bridges)}", $"the NuGet package TorchSharp {BridgeVersion} restored");
        return new LibTorchFolder(torch, bridge);
    }

    /// <summary>Whether this system's libraries are laid out as this class expects; elsewhere TorchSharp finds its own.</summary>
    internal static bool IsSupported => OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    private static string PackageFolder(string package, string version)
    {
        string root = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } set
            ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        return Path.Combine(root, package, version, "runtimes", "linux-x64", "native");
    }
}
