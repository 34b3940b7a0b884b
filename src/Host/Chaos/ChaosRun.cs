using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Chaos;

/// <summary>
/// One run under faults: the very command that a user types, in a process of its own, watched through its journal. Each fault strikes at its moment,
/// and the next one waits until a step was committed after it.
/// </summary>
/// <param name="options">What was asked.</param>
/// <param name="name">The run's name, and its folder's.</param>
/// <param name="nodes">Node processes; null: one process without a Lighthouse.</param>
/// <param name="planned">The faults, by step.</param>
/// <param name="say">Takes a line for the user.</param>
internal sealed class ChaosRun(ChaosOptions options, string name, int? nodes, IReadOnlyList<PlannedFault> planned, Action<string> say)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(10);

    private readonly Queue<PlannedFault> _planned = new(planned);
    private readonly List<Fault> _faults = [];
    private readonly Stopwatch _silence = new();
    private Victims _victims = null!;
    private JournalWatch _watch = null!;
    private Fault? _open;
    private ChildProcess? _train;

    /// <summary>The run's name.</summary>
    public string Name => name;

    /// <summary>Its folder.</summary>
    public string Directory { get; } = Path.Combine(options.Directory, name);

    /// <summary>The faults that have struck.</summary>
    public IReadOnlyList<Fault> Faults => _faults;

    /// <summary>Its journal.</summary>
    public JournalWatch Journal => _watch;

    /// <summary>Why it did not end well; null if it did.</summary>
    public string? Problem { get; private set; }

    /// <summary>Runs it to its end.</summary>
    public async Task ExecuteAsync(CancellationToken ct)
    {
        _victims = new Victims(Directory);
        _watch = new JournalWatch(Directory, options.Plan);
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
                    Problem = string.Create(CultureInfo.InvariantCulture, $"no event for {options.Patience.TotalSeconds:0} s after step {_watch.Committed}");
                    return;
                }
                if (_open is null && _planned.TryPeek(out var next) && _watch.Committed >= next.AfterStep) await StrikeAsync(next, ct).ConfigureAwait(false);
                await Task.Delay(Poll, ct).ConfigureAwait(false);
            }
            if (_train.ExitCode != 0) Problem = $"train {_train.Ending}";
        }
        finally
        {
            EndAll();
        }
    }

    private void Start()
    {
        _train?.Dispose();
        List<string> arguments =
        [
            "train", options.PlanFile, "--run-dir", Directory, "--steps", options.Steps.ToString(CultureInfo.InvariantCulture),
            .. nodes is { } several ? (string[])["--nodes", several.ToString(CultureInfo.InvariantCulture)] : [],
            .. options.Sets.SelectMany(set => (string[])["--set", set]),
        ];
        // Its pid file and log lie beside the run's folder: in it, a launcher would take itself for a process of an earlier start.
        _train = ChildProcess.Start(options.Directory, name, Executables.ElasticTrain(), arguments, new Dictionary<string, string?>());
        _silence.Restart();
    }

    private async Task StrikeAsync(PlannedFault fault, CancellationToken ct)
    {
        var delay = _watch.StepTime * fault.Delay;
        await Task.Delay(delay < LongestDelay ? delay : LongestDelay, ct).ConfigureAwait(false);
        _watch.Poll();
        if (fault.Kind is FaultKind.Everything or FaultKind.SingleProcess)
        {
            Note(fault, fault.Kind == FaultKind.Everything ? "killed everything" : $"killed the process ({_train!.Pid})");
            _train!.Kill();
            _victims.KillAll();
            await _train.WaitAsync(ct).ConfigureAwait(false);
            Start();
        }
        else
        {
            // Perhaps nobody of that kind lives at this moment: the next look finds one.
            if (_victims.Choose(fault, _watch.Coordinator) is not { } victim) return;
            if (fault.Kind == FaultKind.Pause) await PauseAsync(fault, victim, ct).ConfigureAwait(false);
            else
            {
                Note(fault, $"killed {Victims.Describe(victim)}");
                Victims.Send(victim.Process, Signals.Kill9);
            }
        }
        _planned.Dequeue();
    }

    private async Task PauseAsync(PlannedFault fault, (string Name, ProcessIdentity Process) victim, CancellationToken ct)
    {
        Note(fault, string.Create(CultureInfo.InvariantCulture, $"stopped {Victims.Describe(victim)} for {fault.PauseFor.TotalSeconds:0.0} s"));
        Victims.Send(victim.Process, Signals.Stop);
        try
        {
            await Task.Delay(fault.PauseFor, ct).ConfigureAwait(false);
        }
        finally
        {
            Victims.Send(victim.Process, Signals.Continue);
        }
    }

    private void Note(PlannedFault fault, string what) => _faults.Add(_open = new Fault(fault.Kind, DateTime.UtcNow, what, _watch.Committed));

    /// <summary>The first step that is committed after a fault ends its time.</summary>
    private void CloseFault()
    {
        bool ended = _train!.HasExited;
        if (_open is not { } fault) return;
        var next = _watch.History.FirstOrDefault(e => e.Event is Actors.Runs.StepCommitted && e.WrittenAt > fault.At);
        if (next is null && !ended) return;
        fault.ToNextCommit = next?.WrittenAt - fault.At;
        _open = null;
        say(string.Create(CultureInfo.InvariantCulture,
            $"{fault.At:HH:mm:ss.fff}  {name}: {fault.What} after step {fault.Committed}; {(fault.ToNextCommit is { } time ? $"next step committed after {time.TotalSeconds:0.00} s" : "no further step")}"));
    }

    private void EndAll()
    {
        if (_train is { HasExited: false }) _train.Kill();
        _victims.KillAll();
        _train?.Dispose();
    }
}
