using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives.Tests.Transport;

public sealed class DataPlaneTests
{
    private static readonly (ShardId Shard, ReplicaId Replica) Target = (new ShardId(2), new ReplicaId(5));

    [Fact]
    public async Task A_contribution_arrives_with_its_header_and_its_bits()
    {
        await using var node = new Node();
        FrameHeader found = default;
        float[] values = [];
        node.Contributed = (in FrameHeader header, ReadOnlySpan<float> payload) => (found, values) = (header, payload.ToArray());
        await using var client = await node.ConnectAsync();
        using var sent = Node.Values(100_000, 1);
        await client.ContributeAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(4, 8), sent, 10, 99_000);
        Assert.Equal((FrameKind.Contribution, Node.Version, Target.Shard, Target.Replica, new RankRange(4, 8)), (found.Kind, found.Lineage, found.Shard, found.Replica, found.Block));
        Assert.Equal(sent.Slice(10, 99_000).ToArray(), values);
        Assert.Equal(Summation.Digest(values), found.PayloadDigest);
        await client.ContributeMarkerAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(8, 9));
        Assert.Equal((FrameKind.Marker, new RankRange(8, 9), 0), (found.Kind, found.Block, values.Length));
    }

    [Fact]
    public async Task A_pull_waits_until_the_version_is_there_and_writes_into_native_memory()
    {
        await using var node = new Node();
        using var parameters = Node.Values(300_000, 2);
        var ready = new TaskCompletionSource();
        var asked = new TaskCompletionSource<FrameHeader>();
        int released = 0;
        node.Pulled = async (header, ct) =>
        {
            asked.SetResult(header);
            await ready.Task.WaitAsync(ct);
            return new PullResult(parameters, 100, 250_000, () => released++);
        };
        await using var client = await node.ConnectAsync();
        using var destination = new NativeBuffer(260_000);
        var pull = client.PullAsync(Node.Version, Target.Shard, Target.Replica, destination, 7, 250_000, default);
        Assert.Equal(Node.Version, (await asked.Task.WaitAsync(Node.Deadline)).Lineage);
        // The long poll does not hold up anything else on the connection.
        await client.ContributeMarkerAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1)).WaitAsync(Node.Deadline);
        Assert.False(pull.IsCompleted);
        ready.SetResult();
        await pull.WaitAsync(Node.Deadline);
        Assert.True(parameters.Slice(100, 250_000).SequenceEqual(destination.Slice(7, 250_000)));
        Assert.Equal(0f, destination.Span[6]);
        await client.DisposeAsync();
        await node.WaitForClosingAsync();
        Assert.Equal(1, released);
    }

    [Fact]
    public async Task Many_requests_at_once_from_several_clients_all_get_their_own_answers()
    {
        await using var node = new Node();
        var seen = new ConcurrentBag<(RankRange, float)>();
        using var parameters = Node.Values(50_000, 3);
        node.Contributed = (in FrameHeader header, ReadOnlySpan<float> payload) =>
        {
            seen.Add((header.Block, payload[0]));
            if (header.Block.Lo % 7 == 3) throw new DataPlaneRefusedException($"not {header.Block.Lo}");
        };
        node.Pulled = (header, _) => ValueTask.FromResult(new PullResult(parameters, header.Shard.Value * 1000, 1000, () => { }));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async worker =>
        {
            await using var client = await node.ConnectAsync();
            using var values = Node.Values(1000, worker);
            using var destination = new NativeBuffer(50_000);
            for (int i = 0; i < 50; i++) values.Span[i] = worker * 50 + i;
            await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
            {
                var pull = client.PullAsync(Node.Version, new ShardId(i), Target.Replica, destination, i * 1000, 1000, default);
                int rank = worker * 50 + i;
                var contribution = client.ContributeAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(rank, rank + 1), values, i, 900);
                if (rank % 7 != 3) await contribution;
                else Assert.Equal($"not {rank}", (await Assert.ThrowsAsync<DataPlaneRefusedException>(() => contribution)).Reason);
                await pull;
            }));
            Assert.True(parameters.Span.SequenceEqual(destination.Span));
        })).WaitAsync(Node.Deadline);
        Assert.Equal(Enumerable.Range(0, 200).Select(rank => (new RankRange(rank, rank + 1), (float)rank)), seen.OrderBy(entry => entry.Item1.Lo));
    }

    [Fact]
    public async Task Any_error_of_the_handler_travels_back_and_the_connection_lives_on()
    {
        await using var node = new Node();
        node.Contributed = (in FrameHeader _, ReadOnlySpan<float> _) => throw new ArgumentException("no such block");
        await using var client = await node.ConnectAsync();
        var error = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => client.ContributeMarkerAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1)));
        Assert.Contains("no such block", error.Reason);
        Assert.Contains("no such block", node.Log);
        using var destination = new NativeBuffer(1);
        error = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => client.PullAsync(Node.Version, Target.Shard, Target.Replica, destination, 0, 1, default));
        Assert.Equal("no parameters here", error.Reason);
    }

    public static TheoryData<Exception, RefusalKind> Errors => new()
    {
        { new ContributionMismatchException(new RankRange(0, 1), 1, 2), RefusalKind.Mismatch },
        { new ArgumentException("not aligned"), RefusalKind.Invalid },
        { new BadInputException("block", "3-5", "an aligned one"), RefusalKind.Invalid },
        { new DataPlaneRefusedException("not here"), RefusalKind.Retriable },
        { new InvalidOperationException("a bug"), RefusalKind.Retriable },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public async Task A_refusal_says_whether_to_ask_again(Exception error, RefusalKind kind)
    {
        await using var node = new Node();
        node.Contributed = (in FrameHeader _, ReadOnlySpan<float> _) => throw error;
        node.Pulled = (_, _) => throw error;
        await using var client = await node.ConnectAsync();
        using var memory = new NativeBuffer(1);
        var refusals = new[]
        {
            await Assert.ThrowsAsync<DataPlaneRefusedException>(() => client.ContributeMarkerAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1))),
            await Assert.ThrowsAsync<DataPlaneRefusedException>(() => client.PullAsync(Node.Version, Target.Shard, Target.Replica, memory, 0, 1, default)),
        };
        Assert.All(refusals, refusal => Assert.Equal(kind, refusal.Kind));
        Assert.All(refusals, refusal => Assert.Contains(error.Message, refusal.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_recorded_frame_of_an_earlier_lineage_is_refused_with_the_lineage_named()
    {
        await using var node = new Node();
        var current = Node.Version;
        node.Contributed = (in FrameHeader header, ReadOnlySpan<float> _) =>
        {
            if (header.Lineage != current) throw new DataPlaneRefusedException($"this shard is at {current}, the contribution belongs to {header.Lineage}");
        };
        var recorder = new FrameRecorder();
        await using (var client = await node.ConnectAsync(new DataPlaneOptions { Recorder = recorder }))
        {
            using var values = Node.Values(1000, 4);
            await client.ContributeAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1), values, 0, 1000);
        }
        var frame = recorder.Frames.Single(frame => frame.Header.Kind == FrameKind.Contribution);
        current = new Lineage(new Step(2), Digest256.Of("two"));
        await using var other = await node.ConnectAsync();
        var error = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => other.ReplayAsync(frame));
        Assert.Contains(Node.Version.ToString(), error.Reason);
        Assert.Contains(current.ToString(), error.Reason);
        current = Node.Version;
        await other.ReplayAsync(frame);
    }

    [Fact]
    public async Task A_client_of_another_run_is_refused_and_both_runs_are_named()
    {
        await using var node = new Node();
        var stranger = new RunId(Guid.NewGuid());
        var error = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => DataPlaneClient.ConnectAsync(node.Server.Endpoint, stranger, Node.Deadline));
        Assert.Contains(stranger.ToString(), error.Reason);
        Assert.Contains(Node.Run.ToString(), error.Reason);
        Assert.Empty(node.Closings);
    }

    [Fact]
    public async Task A_pull_with_another_length_is_refused_and_both_lengths_are_named()
    {
        await using var node = new Node();
        using var parameters = Node.Values(10, 1);
        node.Pulled = (_, _) => ValueTask.FromResult(new PullResult(parameters, 0, 10, () => { }));
        await using var client = await node.ConnectAsync();
        using var destination = new NativeBuffer(12);
        var error = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => client.PullAsync(Node.Version, Target.Shard, Target.Replica, destination, 0, 12, default));
        Assert.Contains("10 values there, 12 here", error.Reason);
        await client.PullAsync(Node.Version, Target.Shard, Target.Replica, destination, 0, 10, default);
    }

    [Fact]
    public async Task A_withdrawn_pull_is_cancelled_at_the_server_too()
    {
        await using var node = new Node();
        var asked = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        node.Pulled = async (_, ct) =>
        {
            using (ct.Register(cancelled.SetResult))
            {
                asked.SetResult();
                await Task.Delay(Timeout.Infinite, ct);
            }
            throw new InvalidOperationException();
        };
        await using var client = await node.ConnectAsync();
        using var destination = new NativeBuffer(1);
        using var source = new CancellationTokenSource();
        var pull = client.PullAsync(Node.Version, Target.Shard, Target.Replica, destination, 0, 1, source.Token);
        await asked.Task.WaitAsync(Node.Deadline);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull.WaitAsync(Node.Deadline));
        await cancelled.Task.WaitAsync(Node.Deadline);
        await client.ContributeMarkerAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1));
    }

    [Fact]
    public async Task When_the_server_goes_everything_outstanding_fails_and_Closed_is_raised_once()
    {
        var node = new Node();
        var asked = new CountdownEvent(3);
        node.Pulled = async (_, ct) =>
        {
            asked.Signal();
            await Task.Delay(Timeout.Infinite, ct);
            throw new InvalidOperationException();
        };
        await using var client = await node.ConnectAsync();
        var closed = new List<Exception?>();
        var raised = new TaskCompletionSource();
        client.Closed += error =>
        {
            closed.Add(error);
            raised.SetResult();
        };
        using var destination = new NativeBuffer(3);
        Task[] pulls = [.. Enumerable.Range(0, 3).Select(i => client.PullAsync(Node.Version, Target.Shard, Target.Replica, destination, i, 1, default))];
        Assert.True(asked.Wait(Node.Deadline));
        await node.DisposeAsync();
        foreach (var pull in pulls) await Assert.ThrowsAsync<DataPlaneConnectionException>(() => pull.WaitAsync(Node.Deadline));
        await raised.Task.WaitAsync(Node.Deadline);
        Assert.IsType<DataPlaneConnectionException>(Assert.Single(closed));
        await Assert.ThrowsAsync<DataPlaneConnectionException>(() => client.ContributeMarkerAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1)));
        Exception? late = null;
        client.Closed += error => late = error;
        Assert.Same(closed[0], late);
    }

    [Fact]
    public async Task When_a_client_goes_its_pulls_are_cancelled_and_the_server_says_so()
    {
        await using var node = new Node();
        var asked = new TaskCompletionSource();
        bool cancelled = false;
        node.Pulled = async (_, ct) =>
        {
            asked.SetResult();
            await using var registration = ct.Register(() => cancelled = true);
            await Task.Delay(Timeout.Infinite, ct);
            throw new InvalidOperationException();
        };
        var client = await node.ConnectAsync();
        Exception? reason = new InvalidOperationException();
        client.Closed += error => reason = error;
        using var destination = new NativeBuffer(1);
        var pull = client.PullAsync(Node.Version, Target.Shard, Target.Replica, destination, 0, 1, default);
        await asked.Task.WaitAsync(Node.Deadline);
        await client.DisposeAsync();
        await Assert.ThrowsAsync<DataPlaneConnectionException>(() => pull);
        Assert.Null(reason);
        await node.WaitForClosingAsync();
        Assert.True(cancelled);
        Assert.Null(Assert.Single(node.Closings));
    }

    [Fact]
    public async Task Nobody_listening_is_a_connection_error_that_names_the_address()
    {
        int port;
        using (var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            port = ((IPEndPoint)probe.LocalEndPoint!).Port;
        }
        var error = await Assert.ThrowsAsync<DataPlaneConnectionException>(() =>
            DataPlaneClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), Node.Run, Node.Deadline));
        Assert.Contains(port.ToString(), error.Message);
    }
}
