using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>Only one process at a time holds a folder's lock; it ends with the process, however that ends.</summary>
internal static class FolderLock
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10), Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Waits until nobody else holds the lock.</summary>
    /// <exception cref="ElasticTrainException">Somebody holds it for more than ten minutes.</exception>
    internal static IDisposable Acquire(string directory)
    {
        string path = Path.Combine(directory, ".lock");
        for (long start = Environment.TickCount64; ;)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException error) when (IsHeld(error))
            {
                if (Environment.TickCount64 - start > Patience.TotalMilliseconds)
                {
                    throw new ElasticTrainException(
                        $"{path}: another process has been preparing this folder for {Patience.TotalMinutes} minutes; end it, or choose another folder.", error);
                }
                Thread.Sleep(Pause);
            }
        }
    }

    /// <summary>EWOULDBLOCK (Linux 11, BSD and macOS 35) or ERROR_SHARING_VIOLATION: the file is open elsewhere. Anything else is a real error.</summary>
    private static bool IsHeld(IOException error) => error.HResult is 11 or 35 or unchecked((int)0x80070020);
}
