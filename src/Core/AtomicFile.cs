namespace ElasticTrain.Core;

/// <summary>Writes files so that a reader sees the old content or the new, never a part: temporary file, fsync, rename, fsync of the folder.</summary>
public static class AtomicFile
{
    /// <summary>Writes a file through <paramref name="write"/>; on any error the target is untouched and the temporary file removed.</summary>
    /// <param name="path">The target.</param>
    /// <param name="write">Writes the content to the stream it is given.</param>
    public static void Write(string path, Action<FileStream> write)
    {
        string directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Directory.CreateDirectory(directory);
        string temporary = Path.Combine(directory, $".{Path.GetFileName(path)}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
            FlushDirectory(directory);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Writes bytes.</summary>
    public static void Write(string path, ReadOnlyMemory<byte> content) => Write(path, stream => stream.Write(content.Span));

    /// <summary>Writes UTF-8 text.</summary>
    public static void Write(string path, string content) => Write(path, System.Text.Encoding.UTF8.GetBytes(content));

    /// <summary>Makes a rename durable. On systems where a folder cannot be opened the rename alone must do.</summary>
    private static void FlushDirectory(string directory)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS()) return;
        int descriptor = Native.Open(directory, 0);
        if (descriptor < 0) throw new IOException($"{directory}: cannot be opened to make a rename durable.");
        int result = Native.FSync(descriptor);
        _ = Native.Close(descriptor);
        if (result != 0) throw new IOException($"{directory}: fsync failed.");
    }

    private static partial class Native
    {
        [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "open", CharSet = System.Runtime.InteropServices.CharSet.Ansi, BestFitMapping = false)]
        internal static extern int Open(string path, int flags);

        [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "fsync")]
        internal static extern int FSync(int descriptor);

        [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "close")]
        internal static extern int Close(int descriptor);
    }
}
