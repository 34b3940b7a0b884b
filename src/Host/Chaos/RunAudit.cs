using System.Globalization;
using System.Text.RegularExpressions;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Chaos;

/// <summary>What a run leaves behind, and what became of the processes that nothing was done to.</summary>
internal static partial class RunAudit
{
    private const int Superseded = Actors.Nodes.RunEnded.Superseded;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15), Poll = TimeSpan.FromMilliseconds(100);

    /// <summary>What .NET leaves of a killed process: the sockets of its diagnostics.</summary>
    private static readonly string[] OfTheRuntime = ["dotnet-diagnostic-", "clr-debug-pipe-"];

    /// <summary>Processes that still work in a run's folder, a while after its <c>train</c> has ended.</summary>
    public static async Task<IReadOnlyList<string>> OrphansAsync(string directory, CancellationToken ct)
    {
        IReadOnlyList<string> orphans = [];
        for (var end = DateTime.UtcNow + Patience; DateTime.UtcNow < end;)
        {
            orphans = Processes(directory);
            if (orphans.Count == 0) break;
            await Task.Delay(Poll, ct).ConfigureAwait(false);
        }
        return orphans;
    }

    /// <summary>Processes that name a run's folder in their command line.</summary>
    internal static IReadOnlyList<string> Processes(string directory)
    {
        var found = new List<string>();
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0])))
        {
            try
            {
                string[] words = File.ReadAllText(Path.Combine(process, "cmdline")).Split('\0');
                if (words.Contains(directory) || words.Any(w => w.StartsWith(directory + "/", StringComparison.Ordinal)))
                    found.Add($"process {Path.GetFileName(process)} is left: {string.Join(' ', words).Trim()}");
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // It has ended meanwhile, or is somebody else's.
            }
        }
        return found;
    }

    /// <summary>Temporary files in a run's folder, and anything in the folder that its processes were given for theirs.</summary>
    public static IReadOnlyList<string> Leftovers(string directory, string temporary) =>
    [
        .. Directory.EnumerateFiles(directory, "*.tmp", SearchOption.AllDirectories).Select(f => $"a temporary file is left: {f}"),
        .. Directory.EnumerateFileSystemEntries(temporary).Where(f => !OfTheRuntime.Any(Path.GetFileName(f).StartsWith)).Select(f => $"a temporary file is left: {f}"),
    ];

    /// <summary>What a run's <c>train</c> has written.</summary>
    public static IReadOnlyList<string> Lines(string directory, string name) => File.ReadAllLines(ChildProcess.LogOf(directory, name));

    /// <summary>Processes that the launcher saw end, other than those to which something was done.</summary>
    /// <param name="lines">What the launcher wrote.</param>
    /// <param name="struck">Process numbers of the others.</param>
    /// <param name="mayBeRemoved">Whether the cluster may have put a node out: links were cut.</param>
    public static IReadOnlyList<string> SurvivorsLost(IEnumerable<string> lines, IReadOnlySet<int> struck, bool mayBeRemoved)
    {
        var lost = new List<string>();
        foreach (string line in lines)
        {
            var match = Ended().Match(line);
            if (!match.Success || struck.Contains(int.Parse(match.Groups["pid"].Value, CultureInfo.InvariantCulture))) continue;
            if (mayBeRemoved && match.Groups["code"].Value == Superseded.ToString(CultureInfo.InvariantCulture)) continue;
            lost.Add($"a process to which nothing was done has ended: {line}");
        }
        return lost;
    }

    [GeneratedRegex(@"^\S+ \(process (?<pid>\d+)\) (ended with code (?<code>\d+)|was killed by signal \d+)")]
    private static partial Regex Ended();
}
