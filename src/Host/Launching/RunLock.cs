using ElasticTrain.Core;

namespace ElasticTrain.Host.Launching;

/// <summary>
/// Keeps a run's folder to one <c>train</c> at a time. The system holds the lock for the process (flock on Unix) and drops it when the process
/// ends, however it ends.
/// </summary>
public sealed class RunLock : IDisposable
{
    private readonly FileStream file;
    private readonly string holder;

    private RunLock(FileStream file, string holder)
    {
        this.file = file;
        this.holder = holder;
    }

    /// <summary>Takes the lock.</summary>
    /// <param name="runDirectory">The run's folder; made if it is not there.</param>
    /// <exception cref="BadInputException">The folder cannot be made or written.</exception>
    /// <exception cref="ElasticTrainException">Another process holds it.</exception>
    public static RunLock Acquire(string runDirectory)
    {
        string path = Path.Combine(runDirectory, "run.lock");
        FileStream file;
        try
        {
            Directory.CreateDirectory(runDirectory);
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException) && File.Exists(path))
        {
            string holder = Holder(runDirectory) is { } process ? $"process {process.Pid}" : "another process";
            throw new ElasticTrainException($"{runDirectory} is in use by {holder}: one train at a time runs in a folder", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--run-dir {runDirectory}", e.Message, "a folder that can be made and written", e);
        }
        // Who holds it stands in a file of its own: opening the lock file to read it would itself be a lock.
        AtomicFile.Write(HolderPath(runDirectory), ProcessIdentity.Current.ToString());
        return new RunLock(file, HolderPath(runDirectory));
    }

    /// <summary>The live process that holds the lock, null if there is none.</summary>
    public static ProcessIdentity? Holder(string runDirectory)
    {
        try
        {
            return ProcessIdentity.Parse(File.ReadAllText(HolderPath(runDirectory))) is { IsAlive: true } process ? process : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BadInputException)
        {
            return null;
        }
    }

    /// <summary>Gives the lock back: from here on nobody starts nodes in the folder, whether or not this process goes on.</summary>
    public void Dispose()
    {
        File.Delete(holder);
        file.Dispose();
    }

    private static string HolderPath(string runDirectory) => Path.Combine(runDirectory, "run.holder");
}
