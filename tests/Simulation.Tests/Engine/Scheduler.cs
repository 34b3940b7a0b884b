namespace ElasticTrain.Simulation.Tests.Engine;

/// <summary>Virtual time: events run one after another on the caller's thread, by their time and then in the order in which they were scheduled.</summary>
public sealed class Scheduler
{
    private static readonly DateTime Epoch = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly PriorityQueue<Action, (long Time, long Number)> _events = new();
    private long _number;

    /// <summary>How long the schedule has run.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>The time that processes see.</summary>
    public DateTime UtcNow => Epoch + Now;

    /// <summary>Events run so far.</summary>
    public long Count { get; private set; }

    /// <summary>Runs something later.</summary>
    public void After(TimeSpan delay, Action action) => _events.Enqueue(action, ((Now + (delay < TimeSpan.Zero ? TimeSpan.Zero : delay)).Ticks, _number++));

    /// <summary>Runs something again and again, until it says false.</summary>
    public void Every(TimeSpan period, Func<bool> action) => After(period, () =>
    {
        if (action()) Every(period, action);
    });

    /// <summary>Runs the next event; false if there is none.</summary>
    public bool Step()
    {
        if (!_events.TryDequeue(out var action, out var at)) return false;
        Now = TimeSpan.FromTicks(at.Time);
        Count++;
        action();
        return true;
    }
}

/// <summary>The scheduler's clock for classes that take a <see cref="TimeProvider"/>.</summary>
public sealed class VirtualTime(Scheduler scheduler) : TimeProvider
{
    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => scheduler.UtcNow;

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(scheduler, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(Scheduler scheduler, TimerCallback callback, object? state) : ITimer
    {
        private long _due = -1;
        private bool _isScheduled, _isDisposed;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _due = dueTime == Timeout.InfiniteTimeSpan ? -1 : (scheduler.Now + dueTime).Ticks;
            // Put off again and again by every question: one event at a time looks whether it is due.
            if (_due >= 0 && !_isScheduled) Schedule();
            return true;
        }

        public void Dispose() => _isDisposed = true;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Schedule()
        {
            _isScheduled = true;
            scheduler.After(TimeSpan.FromTicks(_due) - scheduler.Now, () =>
            {
                _isScheduled = false;
                if (_isDisposed || _due < 0) return;
                if (_due > scheduler.Now.Ticks) Schedule();
                else callback(state);
            });
        }
    }
}
