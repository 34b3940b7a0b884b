using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Chaos;

/// <summary>How the resident memory of a run's nodes grows while others are struck: from the warm state of each process to the last time that it was seen.</summary>
internal sealed class MemoryWatch
{
    /// <summary>More than this is a leak: buffers for shards that were taken over, and for catching up, are well below it on the plans that chaos is for.</summary>
    public const long Bound = 256L << 20;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1), Warm = TimeSpan.FromSeconds(6), Long = TimeSpan.FromSeconds(12);

    private readonly Dictionary<ProcessIdentity, (TimeSpan First, long? AtFirst, TimeSpan Last, long AtLast)> _seen = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private TimeSpan _next;

    /// <summary>The most that one process has grown by, in bytes; null if none has lived long enough to say.</summary>
    public long? Growth => _seen.Values.Where(s => s.AtFirst is not null && s.Last - s.First >= Long).Select(s => (long?)(s.AtLast - s.AtFirst!.Value)).Max();

    /// <summary>Looks at all nodes, once a second at most.</summary>
    public void Sample(Victims victims)
    {
        if (_clock.Elapsed < _next) return;
        _next = _clock.Elapsed + Interval;
        foreach (var node in victims.Nodes())
            if (Resident(node.Process.Pid) is { } bytes) Note(node.Process, _clock.Elapsed, bytes);
    }

    /// <summary>Takes note of a process's memory at a time.</summary>
    internal void Note(ProcessIdentity process, TimeSpan at, long bytes)
    {
        if (!_seen.TryGetValue(process, out var seen)) seen = (at, null, at, bytes);
        _seen[process] = seen with { AtFirst = seen.AtFirst ?? (at - seen.First >= Warm ? bytes : null), Last = at, AtLast = bytes };
    }

    private static long? Resident(int pid)
    {
        try
        {
            string[] pages = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/statm")).Split(' ');
            return pages.Length > 1 ? long.Parse(pages[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
