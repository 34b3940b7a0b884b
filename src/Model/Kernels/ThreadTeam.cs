using System.Runtime.ExceptionServices;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Threads that start together on pieces of one job and end together, many thousand times a second: they wait spinning for a moment, so that a job of
/// microseconds costs less than its work, and asleep when nothing comes. The caller's thread is the team's first member. One caller at a time.
/// </summary>
internal sealed class ThreadTeam : IDisposable
{
    /// <summary>Turns of <see cref="Thread.SpinWait"/> before the processor is offered to others, and before a member goes to sleep.</summary>
    private const int TurnsBeforeYield = 200, TurnsBeforeSleep = 2000;

    private readonly Thread[] _others;
    private readonly object _gate = new();
    private Action<int>? _work;
    private ExceptionDispatchInfo? _failure;
    private int _job, _running, _asleep;

    /// <summary>Starts the threads.</summary>
    /// <param name="size">Members, the caller's thread included.</param>
    internal ThreadTeam(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        _others = [.. Enumerable.Range(1, size - 1).Select(member => new Thread(() => Serve(member)) { IsBackground = true, Name = $"team member {member}" })];
        foreach (Thread thread in _others) thread.Start();
    }

    /// <summary>Number of members.</summary>
    internal int Size => _others.Length + 1;

    /// <summary>Calls <paramref name="work"/> with ranges [first, end) that together are [0, count), one for each member or fewer, and waits.</summary>
    /// <param name="count">Pieces.</param>
    /// <param name="least">Fewest pieces that are worth a member.</param>
    /// <param name="work">Must not depend on how the pieces are split.</param>
    internal void Split(int count, int least, Action<int, int> work)
    {
        int members = Math.Clamp(count / Math.Max(1, least), 1, Size);
        if (members == 1)
        {
            work(0, count);
            return;
        }
        Run(member =>
        {
            if (member < members) work((int)((long)count * member / members), (int)((long)count * (member + 1) / members));
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_others.Length == 0 || _job < 0) return;
        Begin(null, int.MinValue);
        foreach (Thread thread in _others) thread.Join();
    }

    private void Run(Action<int> work)
    {
        Begin(work, (_job + 1) & int.MaxValue);
        try
        {
            work(0);
        }
        finally
        {
            for (int turn = 0; Volatile.Read(ref _running) > 0; turn++) Pause(turn);
        }
        if (Interlocked.Exchange(ref _failure, null) is { } failure) failure.Throw();
    }

    private void Begin(Action<int>? work, int job)
    {
        (_work, _running, _failure) = (work, _others.Length, null);
        // A full fence: a member that goes to sleep either sees the job or is seen asleep.
        Interlocked.Exchange(ref _job, job);
        if (Volatile.Read(ref _asleep) == 0) return;
        lock (_gate) Monitor.PulseAll(_gate);
    }

    private void Serve(int member)
    {
        for (int done = 0; ;)
        {
            int job = Next(done);
            if (job < 0) return;
            try
            {
                _work!(member);
            }
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(error), null);
            }
            done = job;
            Interlocked.Decrement(ref _running);
        }
    }

    /// <summary>Waits for another job than the last one.</summary>
    private int Next(int done)
    {
        for (int turn = 0; turn < TurnsBeforeSleep; turn++)
        {
            if (Volatile.Read(ref _job) is var job && job != done) return job;
            Pause(turn);
        }
        lock (_gate)
        {
            Interlocked.Increment(ref _asleep);
            while (Volatile.Read(ref _job) == done) Monitor.Wait(_gate);
            Interlocked.Decrement(ref _asleep);
            return Volatile.Read(ref _job);
        }
    }

    private static void Pause(int turn)
    {
        if (turn < TurnsBeforeYield) Thread.SpinWait(4);
        else Thread.Yield();
    }
}
