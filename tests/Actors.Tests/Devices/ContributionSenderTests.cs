using System.Net;
using System.Net.Sockets;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Devices;

/// <summary>A block on its way to several replicas of each shard, over real sockets, some of which fail or hang.</summary>
public sealed class ContributionSenderTests : IClassFixture<TestRun>, IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60), Patience = TimeSpan.FromMilliseconds(300);
    private static readonly ReplicaId Here = new(1), There = new(2), Third = new(3);

    private readonly NodeRuntime _node, _other;
    private readonly ContributionSender _sender;
    private readonly List<GradientSealed> _seals = [];
    private readonly HangingPeer _hanging;

    public ContributionSenderTests(TestRun run)
    {
        _node = run.Node(run.Define());
        _other = run.Node(_node.Definition, Sample.Node(2));
        _sender = new ContributionSender(_node, Patience);
        _hanging = new HangingPeer(_node.Run);
        Place(_node, Here);
        Place(_other, There);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _hanging.DisposeAsync();
        await _other.DisposeAsync();
        await _node.DisposeAsync();
    }

    private void Place(NodeRuntime node, ReplicaId number)
    {
        foreach (var shard in node.Layout.Shards)
        {
            var state = node.LoadShard(shard.Id, new ReplicaSource(Sample.Version(0), null, 0));
            node.Replicas.Add(
                new ShardReplica(state, number, Sample.Version(0), node.VirtualRanks, node.Pool, seal =>
                {
                    lock (_seals) _seals.Add(seal);
                }),
                shard.Length);
        }
    }

    /// <summary>Routes to one replica of every shard.</summary>
    private IEnumerable<ShardRoute> To(ReplicaId number, string endpoint, bool isObserver = false) =>
        _node.Layout.Shards.Select(s => new ShardRoute(s.Id, number, endpoint) { IsObserver = isObserver });

    private static string DeadEndpoint()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return probe.LocalEndPoint!.ToString()!;
    }

    private async Task<IReadOnlyList<ReplicaId>> SendAsync(params IEnumerable<ShardRoute>[] routes)
    {
        var grant = new GrantRanks(
            new Term(1), 1, Sample.Version(0), new RankRange(0, _node.VirtualRanks), 0, [.. routes.SelectMany(r => r).OrderBy(r => r.Shard.Value)]);
        var sum = _node.Pool.Rent(_node.Layout.TotalLength);
        var random = new Random(1);
        foreach (ref float value in sum.Span) value = random.NextSingle();
        long[] tokens = new long[_node.Layout.MoeLayerCount * _node.Layout.Config.NRoutedExperts];
        Array.Fill(tokens, 1);
        return await _sender.SendAsync(grant, [new BlockSum(grant.Ranks, sum)], tokens).WaitAsync(Deadline);
    }

    private int Sealed(ReplicaId number)
    {
        lock (_seals) return _seals.Count(s => s.Replica == number);
    }

    private int Shards => _node.Layout.Shards.Count;

    /// <summary>The block's buffer is back; the sealed sums of this node's own replicas are all that is out.</summary>
    private Task RequireBufferReturnedAsync() => RequireOutstandingAsync(Sealed(Here));

    private async Task RequireOutstandingAsync(long buffers)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        using var deadline = new CancellationTokenSource(Deadline);
        while (_node.Pool.Outstanding != buffers) Assert.True(await timer.WaitForNextTickAsync(deadline.Token));
    }

    [Fact]
    public async Task Every_replica_gets_the_block_and_makes_the_same_sum()
    {
        Assert.Empty(await SendAsync(To(Here, _node.DataPlane), To(There, _other.DataPlane)));
        Assert.Equal((Shards, Shards), (Sealed(Here), Sealed(There)));
        foreach (var seals in _seals.GroupBy(s => s.Shard)) Assert.Single(seals.Select(s => s.GradientDigest).Distinct());
        Assert.Equal(Shards, _node.Pool.Outstanding);
    }

    [Fact]
    public async Task Replicas_on_a_node_that_is_gone_are_missed_at_once()
    {
        Assert.Equal(Enumerable.Repeat(Third, Shards), await SendAsync(To(Here, _node.DataPlane), To(Third, DeadEndpoint())));
        Assert.Equal(Shards, _node.Pool.Outstanding);
    }

    [Fact]
    public async Task A_replica_that_refuses_is_missed_alone()
    {
        _other.Replicas.Remove(new ShardId(1), There);
        Assert.Equal([There], await SendAsync(To(Here, _node.DataPlane), To(There, _other.DataPlane)));
        Assert.Equal((Shards, Shards - 1), (Sealed(Here), Sealed(There)));
    }

    [Fact]
    public async Task A_shard_that_nobody_took_fails_the_block()
    {
        _other.Replicas.Remove(new ShardId(1), There);
        _node.Replicas.Remove(new ShardId(1), Here);
        var refusal = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => SendAsync(To(Here, _node.DataPlane), To(There, _other.DataPlane)));
        Assert.Contains("does not live on this node", refusal.Message, StringComparison.Ordinal);
        Assert.False(ContributionSender.IsFatal(refusal));
        await RequireBufferReturnedAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Corruption_at_one_replica_fails_the_block_though_others_took_it(bool isObserver)
    {
        var shard = _other.Layout.Shards[1];
        _other.Replicas.Get(shard.Id, There).Contribute(Sample.Version(0), new RankRange(0, _node.VirtualRanks), new float[shard.Length], marker: false);
        // An observer's answer counts if it is there: the one that waits for the hanging peer has it.
        var error = await Assert.ThrowsAsync<DataPlaneRefusedException>(
            () => SendAsync(To(Here, _node.DataPlane), To(There, _other.DataPlane, isObserver), To(Third, _hanging.Endpoint)));
        Assert.True(ContributionSender.IsFatal(error));
    }

    [Fact]
    public async Task A_peer_that_takes_blocks_and_never_answers_is_given_up()
    {
        Assert.Equal(Enumerable.Repeat(Third, Shards), await SendAsync(To(Here, _node.DataPlane), To(Third, _hanging.Endpoint)));
        Assert.Equal(Shards, Sealed(Here));
        await RequireBufferReturnedAsync();
    }

    [Fact]
    public async Task A_peer_that_does_not_read_is_given_up_and_the_buffer_comes_back_when_its_send_has_ended()
    {
        _hanging.Reads = false;
        // The kernel takes some megabytes. What waits behind the frame that is stuck then comes back at once.
        int sends = (int)((32 << 20) / (_node.Layout.TotalLength * sizeof(float)));
        foreach (var missed in await Task.WhenAll(Enumerable.Range(0, sends).Select(_ => SendAsync(To(Here, _node.DataPlane), To(Third, _hanging.Endpoint)))))
            Assert.Equal(Enumerable.Repeat(Third, Shards), missed);
        await RequireOutstandingAsync(Shards + 1);
        await _hanging.DisposeAsync();
        await RequireBufferReturnedAsync();
    }

    [Fact]
    public async Task Observers_are_sent_to_but_neither_waited_for_nor_missed()
    {
        // The sender waits for no observer: a device that waited would fail here by its deadline, since patience is far longer.
        var patient = new ContributionSender(_node, TimeSpan.FromMinutes(10));
        var grant = new GrantRanks(
            new Term(1), 1, Sample.Version(0), new RankRange(0, _node.VirtualRanks), 0,
            [.. To(Here, _node.DataPlane), .. To(There, _other.DataPlane, isObserver: true), .. To(Third, _hanging.Endpoint, isObserver: true), .. To(new ReplicaId(4), DeadEndpoint(), isObserver: true)]);
        var sum = _node.Pool.Rent(_node.Layout.TotalLength);
        sum.Clear();
        var missed = await patient.SendAsync(grant, [new BlockSum(grant.Ranks, sum)], [.. Enumerable.Repeat(1L, _node.Layout.MoeLayerCount * _node.Layout.Config.NRoutedExperts)]).WaitAsync(Deadline);
        Assert.Empty(missed);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        using var deadline = new CancellationTokenSource(Deadline);
        while (Sealed(There) < Shards) Assert.True(await timer.WaitForNextTickAsync(deadline.Token));
        Assert.Equal(Shards + 1, _node.Pool.Outstanding);
        await _hanging.DisposeAsync();
        await RequireBufferReturnedAsync();
    }
}

/// <summary>A node whose process is stopped: the kernel takes connections and, while there is room, bytes; nobody answers but for the hello.</summary>
internal sealed class HangingPeer : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _sockets = [];
    private readonly Task _accepting;
    private readonly RunId _run;

    public HangingPeer(RunId run)
    {
        _run = run;
        _listener.ReceiveBufferSize = 4096; // those accepted inherit it
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Endpoint = _listener.LocalEndPoint!.ToString()!;
        _accepting = AcceptAsync();
    }

    public string Endpoint { get; }

    /// <summary>Whether frames are taken, though not answered.</summary>
    public bool Reads { get; set; } = true;

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
        foreach (var socket in _sockets) socket.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync();
                _sockets.Add(socket);
                _ = ServeAsync(socket);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        byte[] scratch = new byte[1 << 16];
        try
        {
            for (int received = 0; received < FrameCodec.HeaderLength;) received += await socket.ReceiveAsync(scratch.AsMemory(received, FrameCodec.HeaderLength - received));
            await socket.SendAsync(FrameCodec.Encode(new FrameHeader { Kind = FrameKind.Hello, Run = _run }, []));
            while (Reads && await socket.ReceiveAsync(scratch) > 0)
            {
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The other side has given up, or the test has ended.
        }
    }
}
