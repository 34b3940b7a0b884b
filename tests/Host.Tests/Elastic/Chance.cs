using System.Globalization;
using Xunit.Abstractions;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>
/// Random moments that can be had again: the seed is printed, and taken from ELASTICTRAIN_TEST_SEED when that is set. ELASTICTRAIN_KILL_ROUNDS says how often each
/// kill test is done over (default 1).
/// </summary>
public sealed class Chance
{
    private readonly Random random;

    public Chance(ITestOutputHelper output)
    {
        int seed = Environment.GetEnvironmentVariable("ELASTICTRAIN_TEST_SEED") is { Length: > 0 } given
            ? int.Parse(given, CultureInfo.InvariantCulture) : Random.Shared.Next();
        output.WriteLine($"seed {seed} (ELASTICTRAIN_TEST_SEED={seed} does the same again)");
        random = new Random(seed);
        Seed = seed;
    }

    public int Seed { get; }

    public static int Rounds => Environment.GetEnvironmentVariable("ELASTICTRAIN_KILL_ROUNDS") is { Length: > 0 } rounds ? int.Parse(rounds, CultureInfo.InvariantCulture) : 1;

    /// <summary>A step from lo to hi.</summary>
    public long Step(long lo, long hi) => random.NextInt64(lo, hi + 1);

    public T Pick<T>(IReadOnlyList<T> items) => items[random.Next(items.Count)];

    /// <summary>Lets a random part of a step pass.</summary>
    public Task MomentAsync() => Task.Delay(random.Next(40));
}
