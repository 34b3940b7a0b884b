using System.Collections.Concurrent;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Nodes;

public sealed class ParameterWindowTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly ParameterLayout Layout = ParameterLayout.Create(ModelConfig.Preset("tiny") with { NumHiddenLayers = 5, NumNextnPredictLayers = 1 });
    private static readonly long Least = ParameterWindow.LeastBytes(Layout);
    private static readonly int[] There = [0, 1, 2, 3, 4, 5, 6], ThereAndBack = [.. There, 5, 4, 3, 2, 1];

    private readonly ConcurrentQueue<int> _loaded = new();

    /// <summary>Writes what tells a segment from others; the value of a segment that is in memory under somebody's feet would change.</summary>
    private Func<ParameterSegment, CancellationToken, Task> Writing(ParameterWindow window) => (segment, _) =>
    {
        _loaded.Enqueue(segment.Index);
        window.Values.Slice(segment.Offset, (int)segment.Length).Fill(segment.Index + 1);
        return Task.CompletedTask;
    };

    private static void AssertWhole(ParameterWindow window, int segment)
    {
        ParameterSegment s = Layout.Segments[segment];
        Assert.True(window.Values.Slice(s.Offset, (int)s.Length).IndexOfAnyExcept(segment + 1) < 0, $"segment {segment} is not whole");
    }

    private static Task OnThread(Action work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(Deadline);

    private static long Bytes(params int[] segments)
    {
        var pages = new PagedSegments(Layout.Segments);
        return segments.Sum(pages.Bytes);
    }

    [Theory]
    [InlineData(1, 1.0)]
    [InlineData(2, 1.0)]
    [InlineData(4, 1.0)]
    [InlineData(3, 1.4)]
    public async Task Several_devices_go_their_ways_without_waiting_for_each_other_for_ever(int devices, double share)
    {
        long bytes = (long)(devices * share * Least);
        using var window = new ParameterWindow(Layout, bytes);
        await Task.WhenAll(Enumerable.Range(0, devices).Select(device => OnThread(() =>
        {
            var random = new Random(device);
            for (int grant = 0; grant < 20; grant++)
            {
                using WindowSession session = window.Open(Writing(window), default);
                for (int pass = 0; pass < 5; pass++)
                {
                    int[] route = random.Next(4) == 0 ? [.. Enumerable.Range(0, 7).OrderBy(_ => random.Next())] : ThereAndBack;
                    session.Begin(route);
                    foreach (int segment in route)
                    {
                        session.Enter(segment);
                        AssertWhole(window, segment);
                        Assert.InRange(window.Resident, 0, bytes);
                    }
                    session.End();
                }
            }
        })));
        Assert.InRange(window.Peak, Bytes(2), bytes);
        Assert.True(window.Loads > 7, "nothing was ever displaced");
        await window.ClearAsync().WaitAsync(Deadline);
        Assert.Equal(0, window.Resident);
    }

    [Fact]
    public void What_is_needed_last_makes_room()
    {
        // Room for three of four segments of about one size, needed in turn: least recently used would load every one again in the second pass.
        using var window = new ParameterWindow(Layout, 3 * Enumerable.Range(2, 4).Max(segment => Bytes(segment)));
        using WindowSession session = window.Open(Writing(window), default);
        int[] route = [2, 3, 4, 5];
        for (int pass = 0; pass < 2; pass++)
        {
            session.Begin(route);
            foreach (int segment in route)
            {
                session.Enter(segment);
                AssertWhole(window, segment);
                Settle(window);
            }
            session.End();
        }
        Assert.Equal([2, 3, 4, 5, 3, 5], _loaded);
    }

    [Fact]
    public void The_next_segment_is_there_before_it_is_entered()
    {
        using var window = new ParameterWindow(Layout, 2 * Least);
        using WindowSession session = window.Open(Writing(window), default);
        session.Begin(There);
        session.Enter(0);
        Settle(window);
        Assert.Equal([0, 1], _loaded);
        session.Enter(1);
        Settle(window);
        Assert.Equal([0, 1, 2], _loaded);
    }

    [Fact]
    public async Task A_load_that_fails_fails_its_session_and_nobody_else()
    {
        using var window = new ParameterWindow(Layout, 2 * Least);
        var begun = new TaskCompletionSource();
        var failure = new TaskCompletionSource();
        using WindowSession bad = window.Open((_, _) =>
        {
            begun.SetResult();
            return failure.Task;
        }, default);
        using WindowSession good = window.Open(Writing(window), default);
        Task failing = bad.EnterAsync(3);
        await begun.Task.WaitAsync(Deadline);
        Task waiting = good.EnterAsync(3); // for the other's load
        failure.SetException(new InvalidDataException("the replica moved on"));
        Assert.Equal("the replica moved on", (await Assert.ThrowsAsync<InvalidDataException>(() => failing.WaitAsync(Deadline))).Message);
        await waiting.WaitAsync(Deadline);
        AssertWhole(window, 3);
        Assert.Equal(Bytes(3), window.Resident);
    }

    [Fact]
    public async Task Cancelling_a_session_ends_its_wait_on_the_devices_thread()
    {
        using var window = new ParameterWindow(Layout, Least);
        using WindowSession session = window.Open((_, ct) => Task.Delay(Timeout.Infinite, ct), default);
        session.Begin([2]);
        var entering = OnThread(() => Assert.ThrowsAny<OperationCanceledException>(() => session.Enter(2)));
        while (window.Loads == 0) await Task.Yield();
        session.Cancel();
        await entering;
        session.Dispose();
        await window.ClearAsync().WaitAsync(Deadline);
        Assert.Equal(0, window.Resident);
    }

    [Fact]
    public async Task What_is_loaded_ahead_and_never_comes_gives_way_to_what_is_needed()
    {
        using var window = new ParameterWindow(Layout, Bytes(0, 3));
        using WindowSession slow = window.Open((s, ct) => s.Index == 1 ? Task.Delay(Timeout.Infinite, ct) : Writing(window)(s, ct), default);
        using WindowSession other = window.Open(Writing(window), default);
        slow.Begin(There);
        slow.Enter(0); // 1 is begun ahead and hangs
        Assert.Equal(Bytes(0, 1), window.Resident);
        await OnThread(() =>
        {
            other.Begin([3]);
            other.Enter(3);
        });
        AssertWhole(window, 3);
        AssertWhole(window, 0);
    }

    [Fact]
    public async Task A_cleared_window_forgets_everything_also_what_is_being_loaded()
    {
        using var window = new ParameterWindow(Layout, 3 * Least);
        using (WindowSession session = window.Open((s, ct) => s.Index == 1 ? Task.Delay(Timeout.Infinite, ct) : Writing(window)(s, ct), default))
        {
            session.Begin(There);
            session.Enter(0);
            await Assert.ThrowsAsync<InvalidOperationException>(window.ClearAsync);
        }
        await window.ClearAsync().WaitAsync(Deadline);
        Assert.Equal(0, window.Resident);
        using WindowSession next = window.Open(Writing(window), default);
        await next.EnterAsync(0).WaitAsync(Deadline);
        Assert.Equal([0, 0], _loaded);
    }

    [Fact]
    public void A_segment_that_the_route_does_not_name_is_refused()
    {
        using var window = new ParameterWindow(Layout, Least);
        using WindowSession session = window.Open(Writing(window), default);
        session.Begin([0, 1]);
        session.Enter(0);
        Assert.Contains("the route says 1", Assert.Throws<InvalidOperationException>(() => session.Enter(2)).Message, StringComparison.Ordinal);
    }

    private static void Settle(ParameterWindow window) => Assert.True(SpinWait.SpinUntil(() => !window.IsLoading, Deadline));
}
