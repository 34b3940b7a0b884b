using System.Net;
using System.Net.Sockets;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives.Tests.Transport;

/// <summary>What a new replica asks of its sibling's node.</summary>
public sealed class StatePullTests
{
    private static readonly (ShardId Shard, ReplicaId Replica) Target = (new ShardId(2), new ReplicaId(5));

    [Fact]
    public async Task A_pull_of_the_state_brings_whatever_version_is_there_and_says_which()
    {
        await using var node = new Node();
        using var state = Node.Values(30_000, 1);
        FrameHeader asked = default;
        node.Pulled = (header, _) =>
        {
            asked = header;
            return ValueTask.FromResult(new PullResult(state, 0, 30_000, () => { }, Version: Node.Version));
        };
        await using var client = await node.ConnectAsync();
        using var destination = new NativeBuffer(30_000);
        Assert.Equal((Node.Version, destination.Length), await client.PullStateAsync(Target.Shard, Target.Replica, destination, default).WaitAsync(Node.Deadline));
        Assert.Equal((FrameKind.PullState, Target.Shard, Target.Replica), (asked.Kind, asked.Shard, asked.Replica));
        Assert.True(state.Span.SequenceEqual(destination.Span));
    }

    [Fact]
    public async Task A_pull_of_a_gradient_waits_for_the_sum_and_takes_that_of_no_other_step()
    {
        await using var node = new Node();
        using var sum = Node.Values(1000, 2);
        var other = new Lineage(new Step(2), Digest256.Of("two"));
        var ready = new TaskCompletionSource();
        Lineage? served = null;
        node.Pulled = async (header, ct) =>
        {
            Assert.Equal(FrameKind.PullGradient, header.Kind);
            await ready.Task.WaitAsync(ct);
            return new PullResult(sum, 0, 1000, () => { }, Summation.Digest(sum.Span), served);
        };
        await using var client = await node.ConnectAsync();
        using var destination = new NativeBuffer(1000);
        var pull = client.PullGradientAsync(Node.Version, default, Target.Shard, Target.Replica, destination, default);
        Assert.False(pull.IsCompleted);
        ready.SetResult();
        await pull.WaitAsync(Node.Deadline);
        Assert.True(sum.Span.SequenceEqual(destination.Span));
        served = other;
        var refusal = await Assert.ThrowsAsync<DataPlaneRefusedException>(
            () => client.PullGradientAsync(Node.Version, default, Target.Shard, Target.Replica, destination, default).WaitAsync(Node.Deadline));
        Assert.Contains(other.ToString(), refusal.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_withdrawn_pull_of_either_kind_is_cancelled_at_the_server_too(bool state)
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
        using var destination = new NativeBuffer(3);
        using var patience = new CancellationTokenSource();
        Task pull = state ? client.PullStateAsync(Target.Shard, Target.Replica, destination, patience.Token)
            : client.PullGradientAsync(Node.Version, default, Target.Shard, Target.Replica, destination, patience.Token);
        await asked.Task.WaitAsync(Node.Deadline);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull.WaitAsync(Node.Deadline));
        await cancelled.Task.WaitAsync(Node.Deadline);
    }

    [Fact]
    public async Task An_answer_that_no_frame_can_carry_is_refused_and_the_connection_lives_on()
    {
        await using var node = new Node(new DataPlaneOptions { MaxPayloadBytes = 4000 });
        using var state = Node.Values(3000, 3);
        int released = 0;
        node.Pulled = (_, _) => ValueTask.FromResult(new PullResult(state, 0, 3000, () => Interlocked.Increment(ref released), Version: Node.Version));
        await using var client = await node.ConnectAsync();
        using var destination = new NativeBuffer(3000);
        var refusal = await Assert.ThrowsAsync<DataPlaneRefusedException>(
            () => client.PullStateAsync(Target.Shard, Target.Replica, destination, default).WaitAsync(Node.Deadline));
        Assert.Equal(RefusalKind.Invalid, refusal.Kind);
        Assert.Contains("12000 bytes", refusal.Reason, StringComparison.Ordinal);
        await client.ContributeMarkerAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1)).WaitAsync(Node.Deadline);
    }

    [Fact]
    public async Task A_contribution_behind_a_frame_that_nobody_reads_can_be_given_up()
    {
        using var listener = Listen();
        var connecting = DataPlaneClient.ConnectAsync((IPEndPoint)listener.LocalEndPoint!, Node.Run, Node.Deadline);
        using var socket = await listener.AcceptAsync();
        var hello = await Node.ReadFrameAsync(socket);
        await socket.SendAsync(FrameCodec.Encode(hello.Header, []));
        await using var client = await connecting;
        // More than the kernel buffers: the first one is stuck in the middle.
        using var values = Node.Values(16 << 20, 4);
        var stuck = client.ContributeAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(0, 1), values, 0, 16 << 20);
        using var patience = new CancellationTokenSource();
        var behind = client.ContributeAsync(Node.Version, Target.Shard, Target.Replica, new RankRange(1, 2), values, 0, 16, ct: patience.Token);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => behind.WaitAsync(Node.Deadline));
        Assert.False(stuck.IsCompleted);
        await client.DisposeAsync();
        await Assert.ThrowsAsync<DataPlaneConnectionException>(() => stuck.WaitAsync(Node.Deadline));
    }

    private static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }
}
