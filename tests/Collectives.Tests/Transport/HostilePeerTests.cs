using System.Net;
using System.Net.Sockets;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives.Tests.Transport;

public sealed class HostilePeerTests
{
    private static readonly DataPlaneOptions Impatient = new()
    {
        StallTimeout = TimeSpan.FromMilliseconds(200),
        MinimumBytesPerSecond = 1 << 30,
        MaxPayloadBytes = 64 << 20,
    };

    private static FrameHeader Contribution => new()
    {
        Kind = FrameKind.Contribution,
        RequestId = 1,
        Run = Node.Run,
        Lineage = Node.Version,
        Block = new RankRange(0, 1),
        ElementType = ElementType.Float32,
    };

    [Fact]
    public async Task Garbage_closes_its_own_connection_and_harms_nobody_else()
    {
        await using var node = new Node();
        await using var good = await node.ConnectAsync();
        var random = new Random(1);
        for (int i = 0; i < 20; i++)
        {
            using var socket = await node.ConnectRawAsync();
            byte[] garbage = new byte[random.Next(128, 100_000)];
            random.NextBytes(garbage);
            await socket.SendAsync(garbage);
            await Node.WaitForEndAsync(socket);
            await good.ContributeMarkerAsync(Node.Version, new ShardId(0), new ReplicaId(1), new RankRange(i, i + 1)).WaitAsync(Node.Deadline);
        }
        Assert.Contains("magic number", node.Log);
        Assert.Empty(node.Closings);
    }

    [Fact]
    public async Task A_wrong_payload_digest_closes_the_connection_and_the_handler_never_sees_the_values()
    {
        await using var node = new Node();
        bool called = false;
        node.Contributed = (in FrameHeader _, ReadOnlySpan<float> _) => called = true;
        using var socket = await node.ConnectRawAndGreetAsync();
        byte[] frame = FrameCodec.Encode(Contribution, new byte[4000]);
        frame[^1] ^= 1;
        await socket.SendAsync(frame);
        await node.WaitForClosingAsync();
        Assert.False(called);
        Assert.Contains("digest", Assert.IsType<CorruptionException>(Assert.Single(node.Closings)).Message);
    }

    [Fact]
    public async Task An_absurd_length_takes_no_memory_and_is_refused()
    {
        await using var node = new Node(Impatient);
        using var socket = await node.ConnectRawAndGreetAsync();
        byte[] header = new byte[FrameCodec.HeaderLength];
        FrameCodec.Write(Contribution with { PayloadLength = 1L << 50 }, header);
        await socket.SendAsync(header);
        var (answer, reason) = await Node.ReadFrameAsync(socket);
        Assert.Equal((FrameKind.Refused, 0UL), (answer.Kind, answer.RequestId));
        Assert.Contains((1L << 50).ToString(), Encoding.UTF8.GetString(reason));
        socket.Close();
        await node.WaitForClosingAsync();
    }

    [Fact]
    public async Task A_payload_above_the_limit_is_refused_with_both_lengths_even_while_it_is_being_sent()
    {
        await using var node = new Node(new DataPlaneOptions { MaxPayloadBytes = 1000 });
        await using var client = await node.ConnectAsync();
        using var values = new NativeBuffer(1 << 20);
        var error = await Assert.ThrowsAsync<DataPlaneConnectionException>(() => client.ContributeAsync(Node.Version, new ShardId(0), new ReplicaId(1), new RankRange(0, 1), values, 0, 1 << 20).WaitAsync(Node.Deadline));
        Assert.Contains("1000", error.Message);
    }

    [Theory]
    [InlineData(ElementType.BFloat16)]
    [InlineData(ElementType.Float64)]
    [InlineData((ElementType)99)]
    public async Task An_element_type_that_is_not_fp32_is_refused_by_name_and_the_connection_lives_on(ElementType type)
    {
        await using var node = new Node();
        using var socket = await node.ConnectRawAndGreetAsync();
        await socket.SendAsync(FrameCodec.Encode(Contribution with { ElementType = type }, new byte[800]));
        var (answer, reason) = await Node.ReadFrameAsync(socket);
        Assert.Equal((FrameKind.Refused, 1UL), (answer.Kind, answer.RequestId));
        Assert.Contains(type.ToString(), Encoding.UTF8.GetString(reason));
        await socket.SendAsync(FrameCodec.Encode(Contribution, new byte[800]));
        Assert.Equal(FrameKind.Ack, (await Node.ReadFrameAsync(socket)).Header.Kind);
    }

    [Fact]
    public async Task A_frame_of_another_run_is_refused_even_after_a_good_hello()
    {
        await using var node = new Node();
        using var socket = await node.ConnectRawAndGreetAsync();
        var stranger = new RunId(Guid.NewGuid());
        await socket.SendAsync(FrameCodec.Encode(Contribution with { Run = stranger }, new byte[800]));
        string reason = Encoding.UTF8.GetString((await Node.ReadFrameAsync(socket)).Payload);
        Assert.Contains(stranger.ToString(), reason);
        Assert.Contains(Node.Run.ToString(), reason);
    }

    [Fact]
    public async Task A_peer_that_never_says_hello_is_closed()
    {
        await using var node = new Node(new DataPlaneOptions { HandshakeTimeout = TimeSpan.FromMilliseconds(100) });
        using var socket = await node.ConnectRawAsync();
        await Node.WaitForEndAsync(socket);
        await node.WaitForLogAsync("silent for too long");
    }

    [Theory]
    [InlineData(5)]
    [InlineData(128)]
    [InlineData(3000)]
    public async Task Half_a_frame_is_waited_for_only_so_long(int bytes)
    {
        await using var node = new Node(Impatient);
        using var socket = await node.ConnectRawAndGreetAsync();
        await socket.SendAsync(FrameCodec.Encode(Contribution, new byte[4000]).AsMemory(0, bytes));
        await node.WaitForClosingAsync();
        Assert.Contains("silent for too long", Assert.Single(node.Closings)!.Message);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(128)]
    [InlineData(3000)]
    public async Task A_peer_that_dies_in_the_middle_of_a_frame_is_reported(int bytes)
    {
        await using var node = new Node();
        using (var socket = await node.ConnectRawAndGreetAsync())
        {
            await socket.SendAsync(FrameCodec.Encode(Contribution, new byte[4000]).AsMemory(0, bytes));
        }
        await node.WaitForClosingAsync();
        Assert.IsType<DataPlaneConnectionException>(Assert.Single(node.Closings));
    }

    [Fact]
    public async Task A_peer_that_does_not_read_its_parameters_is_cut_off_and_the_lease_ends()
    {
        await using var node = new Node(Impatient);
        using var parameters = new NativeBuffer(16 << 20);
        var released = new TaskCompletionSource();
        node.Pulled = (_, _) => ValueTask.FromResult(new PullResult(parameters, 0, (int)parameters.Length, released.SetResult));
        using var socket = await node.ConnectRawAndGreetAsync();
        await socket.SendAsync(FrameCodec.Encode(new FrameHeader { Kind = FrameKind.Pull, RequestId = 1, Run = Node.Run, Lineage = Node.Version }, []));
        await released.Task.WaitAsync(Node.Deadline);
        await node.WaitForClosingAsync();
        Assert.Contains("did not take a frame in time", Assert.Single(node.Closings)!.Message);
    }

    [Fact]
    public async Task Too_many_waiting_pulls_are_refused()
    {
        await using var node = new Node(new DataPlaneOptions { MaxOutstandingPulls = 2 });
        node.Pulled = async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            throw new InvalidOperationException();
        };
        await using var client = await node.ConnectAsync();
        using var destination = new NativeBuffer(3);
        Task[] pulls = [.. Enumerable.Range(0, 3).Select(i => client.PullAsync(Node.Version, new ShardId(i), new ReplicaId(1), destination, i, 1, default))];
        var refused = await Task.WhenAny(pulls).WaitAsync(Node.Deadline);
        Assert.Contains("2 pulls", (await Assert.ThrowsAsync<DataPlaneRefusedException>(() => refused)).Reason);
        Assert.Equal(2, pulls.Count(pull => !pull.IsCompleted));
    }

    [Fact]
    public async Task More_connections_than_allowed_are_turned_away()
    {
        await using var node = new Node(new DataPlaneOptions { MaxConnections = 1 });
        await using var first = await node.ConnectAsync();
        await Assert.ThrowsAsync<DataPlaneConnectionException>(() => node.ConnectAsync());
        await first.ContributeMarkerAsync(Node.Version, new ShardId(0), new ReplicaId(1), new RankRange(0, 1));
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_given_up_after_the_time_out()
    {
        using var listener = Listen();
        var error = await Assert.ThrowsAsync<DataPlaneConnectionException>(() =>
            DataPlaneClient.ConnectAsync((IPEndPoint)listener.LocalEndPoint!, Node.Run, TimeSpan.FromMilliseconds(100)));
        Assert.Contains("did not answer", error.Message);
    }

    [Theory]
    [InlineData(3, "version 3")]
    [InlineData(2, "serves run 99999999")]
    public async Task A_server_of_another_version_or_run_is_refused_by_the_client(byte version, string expected)
    {
        using var listener = Listen();
        var connecting = DataPlaneClient.ConnectAsync((IPEndPoint)listener.LocalEndPoint!, Node.Run, Node.Deadline);
        using var socket = await listener.AcceptAsync();
        byte[] hello = FrameCodec.Encode(new FrameHeader { Kind = FrameKind.Hello, Run = new RunId(Guid.Parse("99999999-9999-9999-9999-999999999999")) }, []);
        hello[4] = version;
        await socket.SendAsync(hello);
        Assert.Contains(expected, (await Assert.ThrowsAsync<DataPlaneRefusedException>(() => connecting)).Reason);
    }

    [Fact]
    public async Task A_client_of_another_version_is_told_both_versions()
    {
        await using var node = new Node();
        using var socket = await node.ConnectRawAsync();
        byte[] hello = FrameCodec.Encode(new FrameHeader { Kind = FrameKind.Hello, Run = Node.Run }, []);
        hello[4] = 1;
        await socket.SendAsync(hello);
        var (answer, reason) = await Node.ReadFrameAsync(socket);
        Assert.Equal(FrameKind.Refused, answer.Kind);
        Assert.Contains("version 2", Encoding.UTF8.GetString(reason));
        Assert.Contains("version 1", Encoding.UTF8.GetString(reason));
    }

    [Fact]
    public async Task Parameters_that_arrive_damaged_fail_the_pull_and_close_the_client()
    {
        using var listener = Listen();
        var connecting = DataPlaneClient.ConnectAsync((IPEndPoint)listener.LocalEndPoint!, Node.Run, Node.Deadline);
        using var socket = await listener.AcceptAsync();
        var hello = await Node.ReadFrameAsync(socket);
        await socket.SendAsync(FrameCodec.Encode(hello.Header, []));
        await using var client = await connecting;
        using var destination = new NativeBuffer(100);
        var pull = client.PullAsync(Node.Version, new ShardId(0), new ReplicaId(1), destination, 0, 100, default);
        var request = (await Node.ReadFrameAsync(socket)).Header;
        byte[] frame = FrameCodec.Encode(request with { Kind = FrameKind.Values, ElementType = ElementType.Float32 }, new byte[400]);
        frame[200] ^= 4;
        await socket.SendAsync(frame);
        var error = await Assert.ThrowsAsync<DataPlaneConnectionException>(() => pull.WaitAsync(Node.Deadline));
        Assert.IsType<CorruptionException>(error.InnerException);
    }

    private static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }
}
