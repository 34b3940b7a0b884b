using System.Diagnostics;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Chaos;

/// <summary>
/// Storage for a run's checkpoints that can be filled: a file system of its own where one can be mounted (root on Linux). Elsewhere a file takes the place of the
/// folder for a while, so that nothing can be written to it, though for another reason.
/// </summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly string _path, _away, _filler;
    private readonly bool _mounted;

    private SmallDisk(string path, bool mounted)
    {
        (_path, _mounted) = (path, mounted);
        _away = path + ".away";
        _filler = Path.Combine(path, "filler");
    }

    /// <summary>The plan's setting that puts checkpoints there; null: they are where they always are.</summary>
    public string? Setting => _mounted ? $"checkpoint.directory={_path}" : null;

    /// <summary>The folder of the checkpoints.</summary>
    public string Folder => _path;

    /// <summary>What <see cref="Fill"/> does, in words.</summary>
    public string Words => _mounted ? "filled the disk of the checkpoints until one failed" : "put a file in the place of the checkpoints' folder until one failed";

    /// <summary>Makes one for a run.</summary>
    /// <param name="runDirectory">The run's folder.</param>
    public static SmallDisk Make(string runDirectory)
    {
        string path = runDirectory + "-disk";
        Directory.CreateDirectory(path);
        if (OperatingSystem.IsLinux() && Run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", path) == 0) return new SmallDisk(path, mounted: true);
        Directory.Delete(path);
        return new SmallDisk(Path.Combine(runDirectory, "checkpoints"), mounted: false);
    }

    /// <summary>Nothing can be written there until something is deleted: say it again and again, because old checkpoints are.</summary>
    public void Fill()
    {
        if (!_mounted)
        {
            if (Directory.Exists(_path)) Directory.Move(_path, _away);
            if (!File.Exists(_path)) File.WriteAllText(_path, "");
            return;
        }
        try
        {
            using var file = new FileStream(_filler, FileMode.Append, FileAccess.Write, FileShare.None, 0);
            byte[] page = new byte[4096];
            while (true) file.Write(page);
        }
        catch (IOException)
        {
            // Full: this is what it is for.
        }
    }

    /// <summary>From now on it is as before.</summary>
    public void MakeRoom()
    {
        File.Delete(_mounted ? _filler : _path);
        if (!_mounted && Directory.Exists(_away)) Directory.Move(_away, _path);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_mounted) return;
        // Lazily: a process that was just killed may still have a file open there.
        Run("umount", "-l", _path);
        Directory.Delete(_path);
    }

    private static int Run(string file, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }
}
