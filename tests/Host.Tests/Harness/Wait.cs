using System.Diagnostics;

namespace ElasticTrain.Host.Tests.Harness;

/// <summary>Waits for conditions with a deadline: a test never sleeps and hopes.</summary>
public static class Wait
{
    public static readonly TimeSpan Default = TimeSpan.FromSeconds(60);

    /// <summary>Asks until the condition holds; the message names what was waited for, and <paramref name="state"/> what stood there instead.</summary>
    public static async Task UntilAsync(Func<bool> condition, string what, TimeSpan? deadline = null, Func<string>? state = null)
    {
        TimeSpan most = deadline ?? Default;
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed > most)
                throw new TimeoutException($"After {most.TotalSeconds:0.#} s still not: {what}.{(state is null ? "" : $"\n{state()}")}");
            await Task.Delay(20);
        }
    }

    /// <summary>Asks until there is a value.</summary>
    public static async Task<T> ForAsync<T>(Func<T?> find, string what, TimeSpan? deadline = null, Func<string>? state = null) where T : class
    {
        T? found = null;
        await UntilAsync(() => (found = find()) is not null, what, deadline, state);
        return found!;
    }
}
