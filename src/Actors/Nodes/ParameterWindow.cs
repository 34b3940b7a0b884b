using System.Runtime.ExceptionServices;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>
/// The part of one version's parameters that is in memory, for all devices of a node together. A device holds or wants one segment at a time and each of them
/// fits, so that nobody waits for somebody who waits; what no device holds or wants makes room, the segment that is needed last first (Belady's rule: the
/// routes are known); the next segment of a route is loaded ahead while it displaces nothing that is needed before it. Thread-safe.
/// </summary>
/// <param name="layout">Parameters and segments.</param>
/// <param name="bytes">Most bytes in memory: at least the largest segment's pages for each device.</param>
public sealed class ParameterWindow(ParameterLayout layout, long bytes) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly PagedSegments _pages = new(layout.Segments);
    private readonly ReservedMemory _memory = new(layout.TotalLength);
    private readonly Slot[] _slots = [.. layout.Segments.Select(segment => new Slot(segment))];
    private readonly HashSet<WindowSession> _sessions = [];
    private readonly PulseSignal _changed = new();
    private readonly HashSet<WindowSession> _lackRoom = [];
    private long _uses;

    /// <summary>The flat parameters, [layout.TotalLength]. Only the segment that a session has entered may be touched.</summary>
    public NativeBuffer Values => _memory.Values;

    /// <summary>Bytes in memory now: never above the limit.</summary>
    public long Resident { get; private set; }

    /// <summary>The most that there have been.</summary>
    public long Peak { get; private set; }

    /// <summary>How many segments have been loaded.</summary>
    public long Loads { get; private set; }

    /// <summary>Whether a load is under way.</summary>
    internal bool IsLoading
    {
        get { lock (_gate) return _slots.Any(slot => slot.State == SlotState.Loading); }
    }

    /// <summary>Bytes that a window needs for each device.</summary>
    public static long LeastBytes(ParameterLayout layout)
    {
        var pages = new PagedSegments(layout.Segments);
        return layout.Segments.Max(segment => pages.Bytes(segment.Index));
    }

    /// <summary>Opens a session for one device.</summary>
    /// <param name="load">Brings a segment into <see cref="Values"/>. When its task has ended, in whatever way, it writes no more.</param>
    /// <param name="ct">Cancels the session.</param>
    public WindowSession Open(Func<ParameterSegment, CancellationToken, Task> load, CancellationToken ct)
    {
        var session = new WindowSession(this, load, ct);
        lock (_gate) _sessions.Add(session);
        return session;
    }

    /// <summary>Forgets what is in memory. No session may be open.</summary>
    public async Task ClearAsync()
    {
        while (true)
        {
            Task wait;
            lock (_gate)
            {
                if (_sessions.Count > 0) throw new InvalidOperationException("Parameters are in use.");
                foreach (Slot slot in _slots)
                {
                    if (slot.Load is { } load) load.Cancel();
                    else Drop(slot);
                }
                if (_slots.All(slot => slot.State == SlotState.Absent)) return;
                wait = _changed.Next;
            }
            await wait.ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    internal void Close(WindowSession session)
    {
        lock (_gate)
        {
            if (!_sessions.Remove(session)) return;
            Leave(session);
            session.Cancel();
        }
    }

    internal void Leave(WindowSession session)
    {
        lock (_gate)
        {
            if (session.Held is not { } held) return;
            session.Held = null;
            _slots[held].Users--;
            _changed.Pulse();
        }
    }

    internal async Task EnterAsync(WindowSession session, int segment)
    {
        Slot slot = _slots[segment];
        lock (_gate)
        {
            if (session.Held == segment)
            {
                LoadAhead(session);
                return;
            }
            Leave(session);
            slot.Users++; // wanted: nobody displaces it any more
        }
        bool isHeld = false;
        try
        {
            Load? own = null;
            while (true)
            {
                Task wait;
                bool isBegun;
                lock (_gate)
                {
                    session.Cancellation.ThrowIfCancellationRequested();
                    if (!_sessions.Contains(session)) throw new ObjectDisposedException(nameof(WindowSession));
                    own?.Error?.Throw();
                    if (slot.State == SlotState.Present)
                    {
                        (session.Held, isHeld, slot.LastUse) = (segment, true, ++_uses);
                        break;
                    }
                    // A load of another session may fail for reasons of its own: then this one tries.
                    isBegun = slot.State == SlotState.Absent && MakeRoom(slot, nextUse: null);
                    if (isBegun) own = Start(slot, session);
                    if (slot.State == SlotState.Absent) _lackRoom.Add(session);
                    else _lackRoom.Remove(session);
                    wait = _changed.Next;
                }
                // What is on this node is copied by this thread, which has nothing else to do.
                if (isBegun) wait = LoadAsync(slot, own!, session);
                await wait.WaitAsync(session.Cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            lock (_gate)
            {
                _lackRoom.Remove(session);
                if (isHeld) LoadAhead(session);
                else
                {
                    slot.Users--;
                    _changed.Pulse();
                }
            }
        }
    }

    /// <summary>Begins to load the session's next segment, if there is room and nobody lacks any. If that fails, the session finds it absent and loads it itself.</summary>
    private void LoadAhead(WindowSession session)
    {
        if (_lackRoom.Count > 0 || session.Next is not { } next || _slots[next] is not { State: SlotState.Absent } slot) return;
        if (!MakeRoom(slot, NextUse(next))) return;
        Load load = Start(slot, session);
        _ = Task.Run(() => LoadAsync(slot, load, session), CancellationToken.None);
    }

    /// <summary>Makes room for a segment by dropping what is needed later than it; a segment that is needed now displaces everything that nobody holds or wants.</summary>
    private bool MakeRoom(Slot slot, int? nextUse)
    {
        long excess = Resident + _pages.Bytes(slot.Segment.Index) - bytes;
        if (excess <= 0) return true;
        List<Slot> victims = [];
        foreach (Slot candidate in _slots.Where(s => s.State == SlotState.Present && s.Users == 0)
            .OrderByDescending(s => NextUse(s.Segment.Index)).ThenBy(s => s.LastUse))
        {
            if (excess <= 0 || (nextUse is { } use && NextUse(candidate.Segment.Index) <= use)) break;
            victims.Add(candidate);
            excess -= _pages.Bytes(candidate.Segment.Index);
        }
        if (excess > 0)
        {
            // What is loaded ahead gives way as well, once nothing writes there any more.
            if (nextUse is null)
                foreach (Slot ahead in _slots.Where(s => s.Users == 0)) ahead.Load?.Cancel();
            return false;
        }
        victims.ForEach(Drop);
        return true;
    }

    /// <summary>How many segments a device enters before this one; a route is taken to be followed by itself.</summary>
    private int NextUse(int segment) => _sessions.Count == 0 ? int.MaxValue : _sessions.Min(session => session.NextUse(segment));

    private Load Start(Slot slot, WindowSession session)
    {
        var (first, count) = _pages.Of(slot.Segment.Index);
        _memory.Commit(first, count);
        Resident += _pages.Bytes(slot.Segment.Index);
        Peak = Math.Max(Peak, Resident);
        Loads++;
        slot.State = SlotState.Loading;
        return slot.Load = new Load(session.Cancellation);
    }

    /// <summary>Runs a load that was started to its end; throws nothing.</summary>
    private async Task LoadAsync(Slot slot, Load load, WindowSession session)
    {
        Exception? error = null;
        try
        {
            var (first, count) = _pages.Of(slot.Segment.Index);
            _memory.Populate(first, count);
            await session.LoadAsync(slot.Segment, load.Token).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            error = failure; // thrown where the segment is waited for
        }
        lock (_gate)
        {
            load.End(error);
            slot.Load = null;
            slot.State = SlotState.Present;
            if (error is not null) Drop(slot);
            _changed.Pulse();
        }
    }

    private void Drop(Slot slot)
    {
        if (slot.State != SlotState.Present) return;
        int segment = slot.Segment.Index;
        var (first, count) = _pages.Only(segment, other => _slots[other].State != SlotState.Absent);
        if (count > 0) _memory.Release(first, count);
        Resident -= _pages.Bytes(segment);
        slot.State = SlotState.Absent;
    }

    private enum SlotState
    {
        Absent,
        Loading,
        Present,
    }

    private sealed class Slot(ParameterSegment segment)
    {
        public ParameterSegment Segment { get; } = segment;

        public SlotState State { get; set; }

        /// <summary>Devices that hold or want it.</summary>
        public int Users { get; set; }

        public long LastUse { get; set; }

        public Load? Load { get; set; }
    }

    private sealed class Load
    {
        private readonly CancellationTokenSource _cancel = new();
        private readonly CancellationTokenRegistration _ofSession;

        public Load(CancellationToken session) => _ofSession = session.UnsafeRegister(_ => Cancel(), null);

        public CancellationToken Token => _cancel.Token;

        public ExceptionDispatchInfo? Error { get; private set; }

        public void Cancel() => _ = _cancel.CancelAsync();

        public void End(Exception? error)
        {
            _ofSession.Unregister();
            Error = error is null ? null : ExceptionDispatchInfo.Capture(error);
        }
    }
}
