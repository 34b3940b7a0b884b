using System.Globalization;

namespace ElasticTrain.Host.Tests.Harness;

/// <summary>
/// A temporary run folder. When the test is done with it, every process that it names in nodes/*.pid is killed, then it is deleted.
/// </summary>
public sealed class RunFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("elastictrain-test-").FullName;

    public static implicit operator string(RunFolder folder) => folder.Path;

    public string File(params string[] parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>The process number in nodes/NAME.pid, null if there is none or it does not live.</summary>
    public int? Pid(string name)
    {
        string path = File("nodes", $"{name}.pid");
        if (!System.IO.File.Exists(path)) return null;
        int pid = int.Parse(System.IO.File.ReadAllText(path), CultureInfo.InvariantCulture);
        return Processes.IsAlive(pid) ? pid : null;
    }

    /// <summary>Waits until nodes/NAME.pid names a live process other than <paramref name="former"/>.</summary>
    public async Task<int> WaitForPidAsync(string name, int? former = null, TimeSpan? deadline = null)
    {
        int? pid = null;
        await Wait.UntilAsync(() => (pid = Pid(name)) is not null && pid != former, $"{name} runs", deadline, Describe);
        return pid!.Value;
    }

    /// <summary>All logs, for a failure's message.</summary>
    public string Describe()
    {
        string nodes = File("nodes");
        if (!Directory.Exists(nodes)) return "(no nodes folder)";
        return string.Join('\n', Directory.GetFiles(nodes, "*.log").Order().Select(log => $"== {System.IO.Path.GetFileName(log)}\n{ReadShared(log)}"));
    }

    public void Dispose()
    {
        string nodes = File("nodes");
        if (Directory.Exists(nodes))
        {
            foreach (string path in Directory.GetFiles(nodes, "*.pid"))
            {
                // Only what is provably a process of this folder: a number may have been given to another one.
                if (int.TryParse(System.IO.File.ReadAllText(path), CultureInfo.InvariantCulture, out int pid) && Processes.IsOurs(pid))
                {
                    Signal.Send(pid, Signal.Continue);
                    Signal.Send(pid, Signal.Kill);
                }
            }
        }
        // A process that has just been killed may still write a last file.
        for (int attempt = 0; Directory.Exists(Path); attempt++)
        {
            try
            {
                Directory.Delete(Path, recursive: true);
            }
            catch (IOException) when (attempt < 20)
            {
                Thread.Yield();
            }
        }
    }

    private static string ReadShared(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
