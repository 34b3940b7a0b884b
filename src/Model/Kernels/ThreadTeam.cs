using System.Runtime.ExceptionServices;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Threads that take pieces of one job until none is left, many thousand times a second: they wait spinning for a moment, so that a job of microseconds
/// costs less than its work, and asleep when nothing comes. The caller's thread is the team's first member; it waits for pieces, not for members, so that one
/// that the system has put aside is missed only if it holds a piece. One caller at a time.
/// </summary>
internal sealed class ThreadTeam : IDisposable
{
    /// <summary>Turns of <see cref="Thread.SpinWait"/> before the processor is offered to others, and before a member goes to sleep.</summary>
    private const int TurnsBeforeYield = 200, TurnsBeforeSleep = 2000;

    /// <summary>More pieces than members, so that whoever is slower does fewer.</summary>
    private const int PiecesPerMember = 4;

    private static readonly Job End = new(0, 0, (_, _) => { });

    private readonly Thread[] _others;
    private readonly object _gate = new();
    private Job? _job;
    private int _asleep;

    /// <summary>Starts the threads.</summary>
    /// <param name="size">Members, the caller's thread included.</param>
    internal ThreadTeam(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        _others = [.. Enumerable.Range(1, size - 1).Select(member => new Thread(Serve) { IsBackground = true, Name = $"team member {member}" })];
        foreach (Thread thread in _others) thread.Start();
    }

    /// <summary>Number of members.</summary>
    internal int Size => _others.Length + 1;

    /// <summary>Calls <paramref name="work"/> with ranges [first, end) that together are [0, count), on any members, and waits.</summary>
    /// <param name="count">Rows, heads or what else the job consists of.</param>
    /// <param name="least">Fewest of them that are worth a piece.</param>
    /// <param name="work">Must not depend on how the job is split.</param>
    internal void Split(int count, int least, Action<int, int> work)
    {
        int pieces = Size == 1 ? 1 : Math.Clamp(count / Math.Max(1, least), 1, PiecesPerMember * Size);
        if (pieces == 1)
        {
            work(0, count);
            return;
        }
        var job = new Job(count, pieces, work);
        Begin(job);
        job.Help();
        for (int turn = 0; !job.IsDone; turn++) Pause(turn);
        job.Failure?.Throw();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_others.Length == 0 || _job == End) return;
        Begin(End);
        foreach (Thread thread in _others) thread.Join();
    }

    private void Begin(Job job)
    {
        // A full fence: a member that goes to sleep either sees the job or is seen asleep.
        Interlocked.Exchange(ref _job, job);
        if (Volatile.Read(ref _asleep) == 0) return;
        lock (_gate) Monitor.PulseAll(_gate);
    }

    private void Serve()
    {
        Job? done = null;
        while ((done = Next(done)) != End) done.Help();
    }

    /// <summary>Waits for another job than the last one.</summary>
    private Job Next(Job? done)
    {
        for (int turn = 0; turn < TurnsBeforeSleep; turn++)
        {
            if (Volatile.Read(ref _job) is { } job && job != done) return job;
            Pause(turn);
        }
        lock (_gate)
        {
            Interlocked.Increment(ref _asleep);
            while (Volatile.Read(ref _job) == done) Monitor.Wait(_gate);
            Interlocked.Decrement(ref _asleep);
            return _job!;
        }
    }

    private static void Pause(int turn)
    {
        if (turn < TurnsBeforeYield) Thread.SpinWait(4);
        else Thread.Yield();
    }

    /// <summary>A job of its own object: who comes late finds no piece left, and cannot touch the next one.</summary>
    private sealed class Job(int count, int pieces, Action<int, int> work)
    {
        private int _next, _done;
        private ExceptionDispatchInfo? _failure;

        /// <summary>Whether every piece is done.</summary>
        internal bool IsDone => Volatile.Read(ref _done) == pieces;

        /// <summary>The first exception of a piece.</summary>
        internal ExceptionDispatchInfo? Failure => _failure;

        /// <summary>Does pieces until none is left.</summary>
        internal void Help()
        {
            for (int piece; (piece = Interlocked.Increment(ref _next) - 1) < pieces;)
            {
                try
                {
                    work((int)((long)count * piece / pieces), (int)((long)count * (piece + 1) / pieces));
                }
                catch (Exception error)
                {
                    Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(error), null);
                }
                Interlocked.Increment(ref _done);
            }
        }
    }
}
