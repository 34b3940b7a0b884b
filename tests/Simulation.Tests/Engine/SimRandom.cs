using ElasticTrain.Core;

namespace ElasticTrain.Simulation.Tests.Engine;

/// <summary>The only source of chance in a schedule: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). The same on every platform.</summary>
public sealed class SimRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>64 random bits.</summary>
    public ulong Next() => Mix(_state += 0x9E3779B97F4A7C15UL);

    /// <summary>A whole number in [low, high).</summary>
    public int Next(int low, int high) => low + (int)(Next() % (ulong)(high - low));

    /// <summary>A number in [0, 1).</summary>
    public double Unit() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>True with a probability.</summary>
    public bool Chance(double probability) => probability > 0 && Unit() < probability;

    /// <summary>A time between two.</summary>
    public TimeSpan Between(TimeSpan low, TimeSpan high) => low + TimeSpan.FromTicks((long)(Unit() * (high - low).Ticks));

    /// <summary>A time between two numbers of milliseconds.</summary>
    public TimeSpan Milliseconds(double low, double high) => TimeSpan.FromMicroseconds(1000 * (low + (Unit() * (high - low))));

    /// <summary>One of some.</summary>
    public T Of<T>(IReadOnlyList<T> items) => items[Next(0, items.Count)];

    /// <summary>Bits that depend on all of the arguments and on nothing else.</summary>
    public static ulong Hash(ulong a, ulong b, ulong c = 0, ulong d = 0) => Mix(Mix(Mix(Mix(a) + b) + c) + d);

    /// <summary>A schedule's random identity.</summary>
    public RunId Run() => new(new Guid(Next(0, int.MaxValue), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
