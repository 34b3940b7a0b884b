using System.Globalization;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Chaos;

/// <content>What each kind of fault does. Each of these gives false, and has done nothing, while whoever it needs is not there: the next look finds them.</content>
internal sealed partial class ChaosRun
{
    private const int MostGuests = 3;

    /// <summary>Steps that must be left when a bit of the moments is flipped.</summary>
    private const long StepsToNotice = 10;

    private static readonly TimeSpan EventPatience = TimeSpan.FromSeconds(20), SharpPoll = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan HalfBeat = TimeSpan.FromMilliseconds(50);

    private async Task StrikeAsync(PlannedFault fault, CancellationToken ct)
    {
        var delay = _watch.StepTime * fault.Delay;
        await Task.Delay(delay < LongestDelay ? delay : LongestDelay, ct).ConfigureAwait(false);
        _watch.Poll();
        if (_train!.HasExited || !await TryStrikeAsync(fault, ct).ConfigureAwait(false)) return;
        _planned.Dequeue();
        _faults[^1].Until = DateTime.UtcNow;
        _sinceCommit.Restart();
        _silence.Restart();
    }

    private async Task<bool> TryStrikeAsync(PlannedFault fault, CancellationToken ct)
    {
        var nodes = _victims.Nodes();
        var coordinator = nodes.Where(n => n.Process.Pid == _watch.Coordinator).ToList();
        var workers = nodes.Where(n => n.Process.Pid != _watch.Coordinator).ToList();
        // Processes may be killed before there is anything to train; of the rest nothing would be seen then.
        if (_watch.Committed == 0 && fault.Kind is FaultKind.Phase or FaultKind.Sibling or FaultKind.OneWay or FaultKind.Partition or FaultKind.DiskFull or FaultKind.Slow or FaultKind.Moments) return false;
        switch (fault.Kind)
        {
            case FaultKind.Worker:
                return Kill(fault, Pick(workers, fault.Roll, 1));
            case FaultKind.Coordinator:
                return Kill(fault, coordinator);
            case FaultKind.Lighthouse:
                return Kill(fault, [.. _victims.Live().Where(p => p.Name == Victims.Seed)]);
            case FaultKind.Double:
                return nodes.Count >= 2 && Kill(fault, Pick(nodes, fault.Roll, 2));
            case FaultKind.CoordinatorAndWorker:
                return coordinator.Count > 0 && workers.Count > 0 && Kill(fault, [coordinator[0], Pick(workers, fault.Roll, 1)[0]]);
            case FaultKind.FourOfFive:
                return nodes.Count >= options.NodesOf(fault.Kind) && Kill(fault, Pick(nodes, fault.Roll, nodes.Count - 1));
            case FaultKind.Everything or FaultKind.SingleProcess or FaultKind.BitFlip:
                return await RestartAllAsync(fault, ct).ConfigureAwait(false);
            case FaultKind.Pause:
                return await PauseAsync(fault, Pick(_victims.Live(), fault.Roll, 1), ct).ConfigureAwait(false);
            case FaultKind.PauseCoordinator:
                return await PauseAsync(fault, coordinator, ct).ConfigureAwait(false);
            case FaultKind.Slow:
                return await SlowDownAsync(fault, Pick(nodes, fault.Roll, 1), ct).ConfigureAwait(false);
            case FaultKind.Phase:
                return await StrikeAtMomentAsync(fault, fault.Moment == Moment.CoordinatorStarted ? coordinator : Pick(workers, fault.Roll, 1), ct).ConfigureAwait(false);
            case FaultKind.Sibling:
                return await KillSiblingAsync(fault, Pick(workers, fault.Roll, 1), ct).ConfigureAwait(false);
            case FaultKind.OneWay or FaultKind.Partition:
                return await CutAsync(fault, Pick(nodes, fault.Roll, 2), ct).ConfigureAwait(false);
            case FaultKind.DiskFull:
                return await FillDiskAsync(fault, ct).ConfigureAwait(false);
            case FaultKind.Moments:
                return await FlipMomentAsync(fault, ct).ConfigureAwait(false);
            case FaultKind.Storm:
                return await StormAsync(fault, ct).ConfigureAwait(false);
            default:
                throw new InvalidOperationException($"{fault.Kind} is no kind of fault");
        }
    }

    /// <summary>So many of them, from the place that the roll says on; none if there are fewer.</summary>
    private static IReadOnlyList<Victim> Pick(IReadOnlyList<Victim> from, double roll, int count) =>
        from.Count < count ? [] : [.. Enumerable.Range((int)(roll * from.Count), count).Select(i => from[i % from.Count])];

    private bool Kill(PlannedFault fault, IReadOnlyList<Victim> victims, string before = "")
    {
        if (victims.Count == 0) return false;
        Note(fault, $"{before}killed {string.Join(" and ", victims)}");
        Send(Signals.Kill9, victims);
        return true;
    }

    private void Send(int signal, params IReadOnlyList<Victim> victims)
    {
        foreach (var victim in victims)
        {
            _struck.Add(victim.Process.Pid);
            Victims.Send(victim.Process, signal);
        }
    }

    private async Task<bool> RestartAllAsync(PlannedFault fault, CancellationToken ct)
    {
        if (fault.Kind == FaultKind.BitFlip && _watch.History.All(e => e.Event is not CheckpointSealed)) return false;
        Note(fault, fault.Kind == FaultKind.SingleProcess ? $"killed the process ({_train!.Pid})" : "killed everything");
        _train!.Kill();
        foreach (var process in _victims.Live()) _struck.Add(process.Process.Pid);
        _victims.KillAll();
        await _train.WaitAsync(ct).ConfigureAwait(false);
        while (_victims.Live().Count > 0) await Task.Delay(Poll, ct).ConfigureAwait(false);
        if (fault.Kind == FaultKind.BitFlip) FlipBit(fault);
        Start();
        return true;
    }

    /// <summary>In the middle of the middle blob of the newest sealed checkpoint.</summary>
    private void FlipBit(PlannedFault fault)
    {
        _watch.Poll();
        var store = new CheckpointStore(RunFolder.Open(Directory).CheckpointDirectory(options.Plan));
        var seals = _watch.History.Select(e => e.Event).OfType<CheckpointSealed>().Select(s => s.Version).ToHashSet();
        var newest = store.Manifests(out _).First(m => seals.Contains(m.Version));
        string path = store.PathOf(newest.Blobs[(int)(fault.Roll * newest.Blobs.Count)]);
        using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite))
        {
            file.Position = file.Length / 2;
            int value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 0x10));
        }
        _spoiled.Add((_watch.History.Count, newest.Version));
        _faults[^1] = _open = _open! with { What = $"killed everything and flipped a bit of the checkpoint of step {newest.Step}" };
    }

    private readonly List<(int After, Lineage Version)> _spoiled = [];

    /// <summary>A checkpoint that was spoiled, and from which the run started all the same.</summary>
    public IEnumerable<string> SpoiledStarts => _spoiled.Select(s => HistoryChecker.SpoiledStart(_watch.History.Skip(s.After), s.Version)).OfType<string>();

    private async Task<bool> PauseAsync(PlannedFault fault, IReadOnlyList<Victim> victims, CancellationToken ct)
    {
        if (victims.Count == 0) return false;
        Note(fault, string.Create(CultureInfo.InvariantCulture, $"stopped {victims[0]} for {fault.Lasts.TotalSeconds:0.0} s"));
        Send(Signals.Stop, victims);
        try
        {
            await Task.Delay(fault.Lasts, ct).ConfigureAwait(false);
        }
        finally
        {
            Send(Signals.Continue, victims);
        }
        return true;
    }

    private async Task<bool> SlowDownAsync(PlannedFault fault, IReadOnlyList<Victim> victims, CancellationToken ct)
    {
        if (victims.Count == 0) return false;
        Note(fault, string.Create(CultureInfo.InvariantCulture, $"slowed {victims[0]} down for {fault.Lasts.TotalSeconds:0.0} s"));
        try
        {
            for (var end = DateTime.UtcNow + fault.Lasts; DateTime.UtcNow < end && !_train!.HasExited;)
            {
                Send(Signals.Stop, victims);
                await Task.Delay(HalfBeat, ct).ConfigureAwait(false);
                Send(Signals.Continue, victims);
                await Task.Delay(HalfBeat, ct).ConfigureAwait(false);
            }
        }
        finally
        {
            Send(Signals.Continue, victims);
        }
        return true;
    }

    /// <summary>kill -9 as soon as the event is in the journal. Some events come only after a first kill.</summary>
    private async Task<bool> StrikeAtMomentAsync(PlannedFault fault, IReadOnlyList<Victim> first, CancellationToken ct)
    {
        int from = _watch.History.Count;
        string before = "";
        if (fault.Moment is not (Moment.StepCommitted or Moment.CheckpointSealed))
        {
            if (first.Count == 0) return false;
            before = $"killed {first[0]}, and at the next {fault.Moment} ";
            Send(Signals.Kill9, first);
        }
        else
        {
            before = $"at the next {fault.Moment} ";
        }
        bool came = await AwaitEventAsync(from, e => e.GetType().Name == fault.Moment.ToString(), ct).ConfigureAwait(false) is not null;
        if (Kill(fault, Pick(_victims.Nodes(), fault.Roll, 1), came ? before : $"(no {fault.Moment} came) {before}")) return true;
        Note(fault, $"{before}nobody");
        return true;
    }

    private async Task<bool> KillSiblingAsync(PlannedFault fault, IReadOnlyList<Victim> first, CancellationToken ct)
    {
        if (first.Count == 0) return false;
        int from = _watch.History.Count;
        Send(Signals.Kill9, first);
        string before = $"killed {first[0]}, and while its shards were copied ";
        if (await AwaitEventAsync(from, e => e is ReplicaRecruited, ct).ConfigureAwait(false) is not ReplicaRecruited recruited)
        {
            Note(fault, $"{before}nobody: no replica was recruited");
            return true;
        }
        var sibling = _watch.History.Select(e => e.Event).SelectMany(e => e switch
        {
            ReplicasPlaced placed => placed.Placements,
            ReplicaRecruited made => [made.Placement],
            _ => Enumerable.Empty<ReplicaPlacement>(),
        }).Last(p => p.Replica == recruited.Sibling);
        if (!Kill(fault, [.. _victims.Nodes().Where(n => n.Name == sibling.Node.Name)], before)) Note(fault, $"{before}nobody: {sibling.Node.Name} is gone");
        return true;
    }

    private async Task<IRunEvent?> AwaitEventAsync(int from, Func<IRunEvent, bool> condition, CancellationToken ct, Action? meanwhile = null)
    {
        for (var end = DateTime.UtcNow + EventPatience; DateTime.UtcNow < end && !_train!.HasExited;)
        {
            meanwhile?.Invoke();
            _watch.Poll();
            if (_watch.History.Skip(from).FirstOrDefault(e => condition(e.Event)) is { } found) return found.Event;
            await Task.Delay(SharpPoll, ct).ConfigureAwait(false);
        }
        return null;
    }

    private async Task<bool> CutAsync(PlannedFault fault, IReadOnlyList<Victim> two, CancellationToken ct)
    {
        if (two.Count < 2) return false;
        string ways = fault.Kind == FaultKind.OneWay ? "to" : "to and from";
        Note(fault, string.Create(CultureInfo.InvariantCulture, $"cut the tensors of {two[0].Name} {ways} {two[1].Name} for {fault.Lasts.TotalSeconds:0.0} s"));
        _links!.Cut(two[0].Name, two[1].Name);
        if (fault.Kind == FaultKind.Partition) _links.Cut(two[1].Name, two[0].Name);
        try
        {
            await Task.Delay(fault.Lasts, ct).ConfigureAwait(false);
        }
        finally
        {
            _links.Heal();
        }
        return true;
    }

    private async Task<bool> FillDiskAsync(PlannedFault fault, CancellationToken ct)
    {
        int from = _watch.History.Count;
        Note(fault, _disk!.Words);
        try
        {
            if (await AwaitEventAsync(from, e => e is CheckpointFailed, ct, _disk.Fill).ConfigureAwait(false) is not CheckpointFailed)
                say($"{name}: no checkpoint failed while the disk was full");
        }
        finally
        {
            _disk.MakeRoom();
        }
        return true;
    }

    /// <summary>In a replica that has a sibling to be compared with. It must be found, and the replay must name it.</summary>
    private async Task<bool> FlipMomentAsync(PlannedFault fault, CancellationToken ct)
    {
        var state = _watch.History.Aggregate(RunState.Empty, (s, e) => s.Apply(e.Event));
        List<ReplicaPlacement> twins = [.. state.Replicas.GroupBy(p => p.Shard).Where(g => g.Count() > 1).SelectMany(g => g)];
        if (twins.Count == 0 || state.Divergence is not null || state.Replicas.Select(p => p.Shard).Distinct().Count() != twins.Select(p => p.Shard).Distinct().Count()) return false;
        var wrong = twins[(int)(fault.Roll * twins.Count)];
        long step = state.Committed.Count + 1;
        if (step + StepsToNotice > options.Steps)
        {
            Note(fault, "flipped nothing: too few steps are left in which it would be noticed");
            return true;
        }
        Note(fault, $"flipped a bit in the moments of {wrong.Shard} on {wrong.Node.Name}");
        int from = _watch.History.Count;
        AtomicFile.Write(MomentFile, string.Create(CultureInfo.InvariantCulture, $"{step}:{wrong.Shard.Value}:{wrong.Node.Name}"));
        if (await AwaitEventAsync(from, e => e is DivergenceResolved, ct).ConfigureAwait(false) is not DivergenceResolved found) _problems.Add($"nobody noticed that a bit of {wrong.Shard} on {wrong.Node.Name} was flipped");
        else if (found.Wrong.Count != 1 || found.Shard != wrong.Shard || found.Wrong[0].Node.Name != wrong.Node.Name) _problems.Add($"a bit of {wrong.Shard} on {wrong.Node.Name} was flipped, but {found} says otherwise");
        File.Delete(MomentFile);
        return true;
    }

    private async Task<bool> StormAsync(PlannedFault fault, CancellationToken ct)
    {
        if (_victims.Nodes().Count == 0) return false;
        Note(fault, "");
        var random = new Random(fault.Seed);
        var done = new List<string>();
        for (var end = DateTime.UtcNow + fault.Lasts; DateTime.UtcNow < end && !_train!.HasExited && _watch.Committed < options.Steps;)
        {
            done.Add(await StormOnceAsync(random.Next(5), random.NextDouble(), ct).ConfigureAwait(false));
            await Task.Delay(TimeSpan.FromSeconds(0.2 + random.NextDouble()), ct).ConfigureAwait(false);
            _watch.Poll();
            Memory.Sample(_victims);
        }
        _faults[^1] = _open = _open! with { What = $"storm ({string.Join(", ", done)})" };
        return true;
    }

    private async Task<string> StormOnceAsync(int what, double roll, CancellationToken ct)
    {
        var nodes = _victims.Nodes();
        var guests = nodes.Where(n => n.Name.StartsWith("guest", StringComparison.Ordinal)).ToList();
        switch (what)
        {
            case 0 or 1 when guests.Count < MostGuests:
                string guest = string.Create(CultureInfo.InvariantCulture, $"guest-{_guests.Count + 1}");
                _guests.Add(ChildProcess.Start(
                    Directory, guest, Executables.ElasticTrain(),
                    ["node", "--run-dir", Directory, "--name", guest, "--steps", options.Steps.ToString(CultureInfo.InvariantCulture), "--parent", ProcessIdentity.Current.ToString()], Variables));
                return $"started {guest}";
            case 2 when guests.Count > 0:
                // Only those that were started by hand: the launcher does not start a drained node again.
                var leaving = Pick(guests, roll, 1)[0];
                _struck.Add(leaving.Process.Pid);
                var reply = await ControlClient.SendAsync(
                    Directory, ControlRequest.New("drain", new Dictionary<string, string> { ["node"] = leaving.Name }), StatusPatience, ct).ConfigureAwait(false);
                return $"drained {leaving.Name}{(reply is { Ok: true } ? "" : $" (answer: {reply?.Error ?? "none"})")}";
            case 3 when nodes.Count > 0:
                var asked = Pick(nodes, roll, 1)[0];
                Send(Signals.Terminate, asked);
                return $"terminated {asked.Name}";
            default:
                if (nodes.Count == 0) return "nobody there";
                var killed = Pick(nodes, roll, 1)[0];
                Send(Signals.Kill9, killed);
                return $"killed {killed.Name}";
        }
    }
}
