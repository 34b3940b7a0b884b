using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// Runs that had to leave memory. Each is a file that has no name any more as soon as it is open: however the process ends, nothing stays in the
/// folder. Sixteen runs become one, so that few files are open, and a string is written as often as the logarithm of the number of runs.
/// </summary>
internal sealed class RunFiles(string directory) : IDisposable
{
    private const int Fan = 16;

    private readonly Lock _lock = new();
    private readonly List<List<FileStream>> _levels = [];

    /// <summary>Number of tables that were written.</summary>
    internal int Spilled { get; private set; }

    /// <summary>Writes what a table holds. Several threads may call at once.</summary>
    internal void Add(PreTokenTable table, CancellationToken stop)
    {
        FileStream file = Write([new TableRun(table)], stop);
        lock (_lock)
        {
            Spilled++;
            Register(file, 0, stop);
        }
    }

    /// <summary>All runs, from their beginnings.</summary>
    internal IEnumerable<CountedRun> Runs() => _levels.SelectMany(level => level).Select(Rewound);

    /// <summary>Closes the files, which ends them.</summary>
    public void Dispose()
    {
        foreach (FileStream file in _levels.SelectMany(level => level)) file.Dispose();
        _levels.Clear();
    }

    private void Register(FileStream file, int level, CancellationToken stop)
    {
        if (level == _levels.Count) _levels.Add([]);
        List<FileStream> files = _levels[level];
        files.Add(file);
        if (files.Count < Fan) return;
        FileStream merged = Write([.. files.Select(Rewound)], stop);
        foreach (FileStream part in files) part.Dispose();
        files.Clear();
        Register(merged, level + 1, stop);
    }

    private static FileRun Rewound(FileStream file)
    {
        file.Position = 0;
        return new FileRun(file);
    }

    private FileStream Write(IEnumerable<CountedRun> runs, CancellationToken stop)
    {
        FileStream? file = null;
        try
        {
            string path = Path.Combine(directory, $"elastictrain-tokenizer-{Environment.ProcessId}-{Guid.NewGuid():N}.tmp");
            file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Delete, 1 << 16);
            File.Delete(path);
            using var writer = new BinaryWriter(file, System.Text.Encoding.UTF8, leaveOpen: true);
            CountedRun.Merge(runs, (token, count) =>
            {
                writer.Write7BitEncodedInt(token.Length + 1);
                writer.Write(token);
                writer.Write7BitEncodedInt64(count);
            }, stop);
            // A length of zero is the end: strings are written with their length plus one.
            writer.Write7BitEncodedInt(0);
            return file;
        }
        catch (Exception error)
        {
            file?.Dispose();
            if (error is IOException or UnauthorizedAccessException)
                throw new ElasticTrainException($"{directory}: pre-tokens beyond the memory limit cannot be written there ({error.Message})", error);
            throw;
        }
    }
}
