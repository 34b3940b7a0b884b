namespace ElasticTrain.Scale;

/// <summary>Virtual time: events run one after another, by their time and then in the order in which they were scheduled.</summary>
internal sealed class VirtualTime
{
    private static readonly DateTime Epoch = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private readonly PriorityQueue<Action, (long Time, long Number)> _events = new();
    private long _number;

    public TimeSpan Now { get; private set; }

    public DateTime UtcNow => Epoch + Now;

    public void After(TimeSpan delay, Action action) => _events.Enqueue(action, ((Now + delay).Ticks, _number++));

    /// <summary>Again and again, until it says false.</summary>
    public void Every(TimeSpan period, Func<bool> action) => After(period, () =>
    {
        if (action()) Every(period, action);
    });

    /// <summary>Runs the next event; false if there is none.</summary>
    public bool Step()
    {
        if (!_events.TryDequeue(out var action, out var at)) return false;
        Now = TimeSpan.FromTicks(at.Time);
        action();
        return true;
    }
}

/// <summary>Chance by a seed (splitmix64).</summary>
internal sealed class Chance(ulong seed)
{
    private ulong _state = seed;

    public double Unit()
    {
        ulong z = _state += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }

    public int Next(int count) => (int)(Unit() * count);

    /// <summary>exp of a normal number with mean 0 and a standard deviation: 1 in the median.</summary>
    public double LogNormal(double sigma) => Math.Exp(sigma * Math.Sqrt(-2 * Math.Log(1 - Unit())) * Math.Cos(2 * Math.PI * Unit()));
}
