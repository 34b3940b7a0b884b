using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Commands;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Chaos;

/// <summary>
/// One run under faults: the very command that a user types, in a process of its own, watched through its journal. Each fault strikes at its moment,
/// and the next one waits until a step was committed after it.
/// </summary>
/// <param name="options">What was asked.</param>
/// <param name="name">The run's name, and its folder's.</param>
/// <param name="kind">What is done to it; null for the undisturbed run in one process.</param>
/// <param name="planned">The faults, by step.</param>
/// <param name="say">Takes a line for the user.</param>
internal sealed partial class ChaosRun(ChaosOptions options, string name, FaultKind? kind, IReadOnlyList<PlannedFault> planned, Action<string> say)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StatusPatience = TimeSpan.FromSeconds(5);

    private readonly Queue<PlannedFault> _planned = new(planned);
    private readonly List<Fault> _faults = [];
    private readonly List<string> _problems = [];
    private readonly HashSet<int> _struck = [];
    private readonly List<ChildProcess> _guests = [];
    private readonly Stopwatch _silence = new(), _sinceCommit = new();
    private Victims _victims = null!;
    private JournalWatch _watch = null!;
    private Fault? _open;
    private ChildProcess? _train;
    private DataLinks? _links;
    private SmallDisk? _disk;
    private long _seenCommitted;

    /// <summary>The run's name.</summary>
    public string Name => name;

    /// <summary>Its folder.</summary>
    public string Directory { get; } = Path.Combine(options.Directory, name);

    /// <summary>The faults that have struck.</summary>
    public IReadOnlyList<Fault> Faults => _faults;

    /// <summary>Its journal.</summary>
    public JournalWatch Journal => _watch;

    /// <summary>Why it did not end well, or what it left behind; empty if nothing is wrong.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Memory of its nodes.</summary>
    public MemoryWatch Memory { get; } = new();

    /// <summary>Times at which no step was committed within the bound, and <c>status</c> said why.</summary>
    public int Explained { get; private set; }

    /// <summary>Processes that ended although nothing was done to them, and were not put out of the cluster by what was done to a link of theirs.</summary>
    public int SurvivorsLost { get; private set; }

    /// <summary>Runs it to its end.</summary>
    public async Task ExecuteAsync(CancellationToken ct)
    {
        _victims = new Victims(Directory);
        _watch = new JournalWatch(Directory, options.Plan);
        if (kind is FaultKind.OneWay or FaultKind.Partition) _links = new DataLinks();
        if (kind is FaultKind.DiskFull) _disk = SmallDisk.Make(Directory);
        try
        {
            Start();
            while (true)
            {
                bool ended = _train!.HasExited;
                if (_watch.Poll().Count > 0) _silence.Restart();
                CloseFault();
                if (ended) break;
                if (_silence.Elapsed > options.Patience)
                {
                    _problems.Add(string.Create(CultureInfo.InvariantCulture, $"no event for {options.Patience.TotalSeconds:0} s after step {_watch.Committed}"));
                    return;
                }
                Memory.Sample(_victims);
                await CheckProgressAsync().ConfigureAwait(false);
                if (_open is null && _planned.TryPeek(out var next) && _watch.Committed >= next.AfterStep) await StrikeAsync(next, ct).ConfigureAwait(false);
                await Task.Delay(Poll, ct).ConfigureAwait(false);
            }
            if (_train.ExitCode != 0) _problems.Add($"train {_train.Ending}");
            else await AuditAsync(ct).ConfigureAwait(false);
        }
        finally
        {
            await EndAllAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Beside the run's folder: what is in that is the run's.</summary>
    private string MomentFile => $"{Directory}.moment";

    private Dictionary<string, string?> Variables => new()
    {
        ["TMPDIR"] = options.TemporaryFolder,
        [ChaosSettings.LinksVariable] = _links?.Endpoint.ToString(),
        [ChaosSettings.MomentVariable] = kind is FaultKind.Moments ? $"@{MomentFile}" : null,
    };

    private void Start()
    {
        _train?.Dispose();
        List<string> arguments = ["train", options.PlanFile, "--run-dir", Directory, "--steps", options.Steps.ToString(CultureInfo.InvariantCulture)];
        if (kind is { } disturbed && options.NodesOf(disturbed) is { } several)
            arguments.AddRange(["--nodes", several.ToString(CultureInfo.InvariantCulture), "--restart-after", options.RestartAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture)]);
        foreach (string set in options.Sets) arguments.AddRange(["--set", set]);
        if (_links is not null || kind is FaultKind.Moments) arguments.AddRange(["--set", "elastic.allow-chaos=true"]);
        if (_disk?.Setting is { } setting) arguments.AddRange(["--set", setting]);
        // Its pid file and log lie beside the run's folder: in it, a launcher would take itself for a process of an earlier start.
        _train = ChildProcess.Start(options.Directory, name, Executables.ElasticTrain(), arguments, Variables);
        _silence.Restart();
        _sinceCommit.Restart();
    }

    /// <summary>With enough workers a step is committed within the bound, or the run says why not.</summary>
    private async Task CheckProgressAsync()
    {
        if (_watch.Committed != _seenCommitted) _sinceCommit.Restart();
        _seenCommitted = _watch.Committed;
        if (_sinceCommit.Elapsed < options.Bound || _watch.Committed >= options.Steps) return;
        int workers = _victims.Nodes().Count;
        var (status, reason) = await RemoteStatus.AskAsync(Directory, StatusPatience).ConfigureAwait(false);
        if (_watch.Poll().Any(e => e.Event is StepCommitted))
        {
            _sinceCommit.Restart();
            return;
        }
        string? problem = BoundedProgress.Problem(_sinceCommit.Elapsed, workers, options.Plan.Elastic.MinWorkers, status, reason);
        if (problem is null)
        {
            Explained++;
            say(string.Create(CultureInfo.InvariantCulture, $"{name}: no step for {_sinceCommit.Elapsed.TotalSeconds:0} s after step {_watch.Committed}, {workers} nodes: {(status is null ? reason : $"{status.State}, {status.Detail}")}"));
        }
        else
        {
            _problems.Add(problem);
        }
        _sinceCommit.Restart();
    }

    private void Note(PlannedFault fault, string what) => _faults.Add(_open = new Fault(fault.Kind, DateTime.UtcNow, what, _watch.Committed));

    /// <summary>The first step that is committed after a fault ends its time.</summary>
    private void CloseFault()
    {
        bool ended = _train!.HasExited;
        if (_open is not { } fault) return;
        var next = _watch.History.FirstOrDefault(e => e.Event is StepCommitted && e.WrittenAt > fault.At);
        if (next is null && !ended) return;
        fault.ToNextCommit = next?.WrittenAt - fault.At;
        _open = null;
        say(string.Create(CultureInfo.InvariantCulture,
            $"{fault.At:HH:mm:ss.fff}  {name}: {fault.What} after step {fault.Committed}; {(fault.ToNextCommit is { } time ? $"next step committed after {time.TotalSeconds:0.00} s" : "no further step")}"));
    }

    /// <summary>What must hold once a run has ended well.</summary>
    private async Task AuditAsync(CancellationToken ct)
    {
        _problems.AddRange(await RunAudit.OrphansAsync(Directory, ct).ConfigureAwait(false));
        _problems.AddRange(RunAudit.Leftovers(Directory, options.TemporaryFolder));
        if (_disk is not null) _problems.AddRange(RunAudit.Leftovers(_disk.Folder, options.TemporaryFolder));
        bool linksWereCut = kind is FaultKind.OneWay or FaultKind.Partition;
        var lost = RunAudit.SurvivorsLost(RunAudit.Lines(options.Directory, name), _struck, mayBeRemoved: linksWereCut);
        SurvivorsLost = lost.Count;
        _problems.AddRange(lost);
        if (Memory.Growth is { } growth && growth > MemoryWatch.Bound)
            _problems.Add(string.Create(CultureInfo.InvariantCulture, $"a node that survived grew by {growth >> 20} MiB"));
        // The undisturbed run is replayed from the beginning; that another run's steps are its steps is compared one by one.
        List<string> arguments = ["verify", "--run-dir", Directory, .. kind is null ? (string[])["--from", "0"] : []];
        using var verify = ChildProcess.Start(options.Directory, $"{name}-verify", Executables.ElasticTrain(), arguments, Variables);
        await verify.WaitAsync(ct).ConfigureAwait(false);
        if (verify.ExitCode != 0) _problems.Add($"verify {verify.Ending}: {verify.LastWords(options.Directory)}");
    }

    private async Task EndAllAsync()
    {
        if (_train is { HasExited: false }) _train.Kill();
        _victims.KillAll();
        _train?.Dispose();
        foreach (var guest in _guests) guest.Dispose();
        if (_links is not null) await _links.DisposeAsync().ConfigureAwait(false);
        _disk?.Dispose();
    }
}
