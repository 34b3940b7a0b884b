using System.Text.Json;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>
/// A run on disk: <c>run.json</c> (identity), <c>plan.conf</c> (the resolved plan), <c>data/</c>, <c>journal/</c>, <c>checkpoints/</c>,
/// <c>nodes/</c> (pids, control endpoints, logs).
/// </summary>
public sealed class RunFolder
{
    private sealed record Identity(string Run, bool Journaled);

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private readonly Lock _gate = new();
    private Identity _identity;

    private RunFolder(string directory, Identity identity)
    {
        Directory = directory;
        _identity = identity;
        Run = new RunId(Guid.Parse(identity.Run));
    }

    /// <summary>The folder, absolute.</summary>
    public string Directory { get; }

    /// <summary>The run.</summary>
    public RunId Run { get; }

    /// <summary>Whether the run has ever written to its journal: an empty one is then not its own.</summary>
    public bool Journaled
    {
        get { lock (_gate) return _identity.Journaled; }
    }

    /// <summary>Prepared tokens.</summary>
    public string DataDirectory => Path.Combine(Directory, "data");

    /// <summary>Files about live nodes.</summary>
    public string NodesDirectory => Path.Combine(Directory, "nodes");

    /// <summary>The SQLite journal.</summary>
    public string JournalFile => Path.Combine(Directory, "journal", "journal.db");

    /// <summary>The SQLite snapshot store.</summary>
    public string SnapshotFile => Path.Combine(Directory, "journal", "snapshots.db");

    /// <summary>Who was put out of the run's cluster, where the journal is SQLite.</summary>
    public string LedgerFile => Path.Combine(Directory, "journal", "membership.db");

    /// <summary>The resolved plan.</summary>
    public string PlanFile => Path.Combine(Directory, "plan.conf");

    /// <summary>Whether a folder holds a run.</summary>
    public static bool Exists(string directory) => File.Exists(IdentityFile(directory));

    /// <summary>Opens a run's folder.</summary>
    /// <exception cref="BadInputException">There is none, or its run.json cannot be read.</exception>
    public static RunFolder Open(string directory)
    {
        directory = Path.GetFullPath(directory);
        string file = IdentityFile(directory);
        if (!File.Exists(file)) throw new BadInputException($"--run-dir {directory}", "no run.json", "the folder of a run that `elastictrain train` has made");
        try
        {
            var identity = JsonSerializer.Deserialize<Identity>(File.ReadAllText(file), Json);
            if (identity is null || !Guid.TryParse(identity.Run, out _)) throw new JsonException("no run id");
            return new RunFolder(directory, identity);
        }
        catch (JsonException error)
        {
            throw new BadInputException(file, error.Message, "the identity that `elastictrain train` wrote", error);
        }
    }

    /// <summary>Opens a run's folder, or makes a new run in it.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="plan">Its resolved form is written into the folder.</param>
    public static RunFolder OpenOrCreate(string directory, Plan plan)
    {
        directory = Path.GetFullPath(directory);
        RunFolder folder;
        if (Exists(directory)) folder = Open(directory);
        else
        {
            folder = new RunFolder(directory, new Identity(Guid.NewGuid().ToString("N"), false));
            folder.Save();
        }
        AtomicFile.Write(folder.PlanFile, stream =>
        {
            // A connection string may hold a password; before the first byte, so that it is readable by others at no time.
            if (plan.Journal.ConnectionString is not null && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(stream.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            stream.Write(System.Text.Encoding.UTF8.GetBytes(plan.ToHocon()));
        });
        return folder;
    }

    /// <summary>Where the checkpoints of this run are.</summary>
    public string CheckpointDirectory(Plan plan) =>
        plan.Checkpoint.Directory is { } elsewhere ? Path.Combine(elsewhere, Run.ToString()) : Path.Combine(Directory, "checkpoints");

    /// <summary>Remembers that the journal has begun.</summary>
    public void MarkJournaled()
    {
        lock (_gate)
        {
            _identity = _identity with { Journaled = true };
            Save();
        }
    }

    private void Save() => AtomicFile.Write(IdentityFile(Directory), JsonSerializer.Serialize(_identity, Json) + "\n");

    private static string IdentityFile(string directory) => Path.Combine(directory, "run.json");
}
