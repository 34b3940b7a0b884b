using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Torch;

/// <summary>Chooses between TorchSharp's native library and a patched copy in a cache folder, see <see cref="ElfVersionPatch"/>.</summary>
internal static class PatchedBridge
{
    /// <summary>The path to load: the library itself where the system's libstdc++ is new enough, otherwise the cached patched copy.</summary>
    /// <param name="bridge">The library's path. libtorch must be loaded, because the check looks at the libstdc++ that it brought in.</param>
    internal static string PathFor(string bridge) => SystemHasVersion() ? bridge : Cached(bridge, CacheFolder());

    /// <summary>
    /// The patched copy, written when it is missing or not what it should be. Several processes may do this at once: each writes a
    /// temporary file and renames it, and all write the same bytes.
    /// </summary>
    internal static string Cached(string bridge, string folder)
    {
        byte[] source = File.ReadAllBytes(bridge);
        byte[] patched = ElfVersionPatch.Apply(source, bridge);
        string path = Path.Combine(folder, $"libLibTorchSharp-{Digest256.Of(source)}.so");
        if (!File.Exists(path) || Digest256.Of(File.ReadAllBytes(path)) != Digest256.Of(patched)) AtomicFile.Write(path, patched);
        return path;
    }

    /// <summary>Whether the libstdc++ of this process knows the version that the unpatched library asks for.</summary>
    internal static bool SystemHasVersion()
    {
        string? library = File.ReadLines("/proc/self/maps")
            .Select(line => line.IndexOf('/') is var slash and >= 0 ? line[slash..] : "")
            .FirstOrDefault(path => Path.GetFileName(path).StartsWith("libstdc++.so.6", StringComparison.Ordinal));
        return library is null || File.ReadAllBytes(library).AsSpan().IndexOf(Encoding.ASCII.GetBytes(ElfVersionPatch.MissingVersion + '\0')) >= 0;
    }

    private static string CacheFolder()
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string root = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache : Path.Combine(home, ".cache");
        string folder = Path.Combine(root, "elastictrain");
        try
        {
            Directory.CreateDirectory(folder);
            string probe = Path.Combine(folder, $".probe-{Environment.ProcessId}-{Guid.NewGuid():N}");
            File.WriteAllText(probe, "");
            File.Delete(probe);
            return folder;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A home folder that cannot be written (containers, services): every user has a folder of their own below the temporary one.
            string fallback = Path.Combine(Path.GetTempPath(), $"elastictrain-{Environment.UserName}");
            Directory.CreateDirectory(fallback);
            return fallback;
        }
    }
}
