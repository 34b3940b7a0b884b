using System.Net;
using System.Net.Sockets;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Devices;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Nodes;

/// <summary>Parameters of a shard with several replicas, of which some are gone, silent or behind.</summary>
public sealed class ShardPullerTests : IClassFixture<TestRun>, IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly NodeRuntime _reader, _holder;
    private readonly HangingPeer _hanging;
    private readonly ShardPuller _puller;
    private readonly ShardInfo _shard;
    private readonly NativeBuffer _flat;
    private long _grants;

    public ShardPullerTests(TestRun run)
    {
        _reader = run.Node(run.Define("", "elastic.suspect-after=100 ms"));
        _holder = run.Node(_reader.Definition, Sample.Node(2));
        _hanging = new HangingPeer(_reader.Run);
        _puller = new ShardPuller(_reader.DataPlane, _reader.Replicas, _reader.Peers, _reader.Plan.Elastic.SuspectAfter);
        _shard = _reader.Layout.Shards.First(s => s.Kind == ShardKind.Expert);
        _flat = new NativeBuffer(_reader.Layout.TotalLength);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _hanging.DisposeAsync();
        await _reader.DisposeAsync();
        await _holder.DisposeAsync();
        _flat.Dispose();
    }

    private ShardReplica Place(NodeRuntime node, int number, ShardInfo? shard = null)
    {
        var state = node.LoadShard((shard ?? _shard).Id, new ReplicaSource(Sample.Version(0), null, 0));
        var replica = new ShardReplica(state, new ReplicaId(number), Sample.Version(0), node.VirtualRanks, node.Pool, _ => { });
        node.Replicas.Add(replica, state.Info.Length);
        return replica;
    }

    private void Advance(ShardReplica replica)
    {
        replica.Contribute(Sample.Version(0), new RankRange(0, _reader.VirtualRanks), default, marker: true);
        replica.Apply(new ApplyStep(
            new Term(1), Sample.Version(0), Sample.Version(1), Sample.Commit(1), 1f, 0.1f, 0.05f, 0, false,
            new long[_reader.Layout.MoeLayerCount * _reader.Layout.Config.NRoutedExperts]));
    }

    private GrantRanks Grant(long version, params IEnumerable<(int Number, string Endpoint)> replicas) => new(
        new Term(1), ++_grants, Sample.Version(version), new RankRange(0, 1), 0,
        [.. replicas.Select(r => new ShardRoute(_shard.Id, new ReplicaId(r.Number), r.Endpoint))]);

    private Task PullAsync(PullRoutes routes, CancellationToken ct = default) => _puller.PullAsync(routes.Grant.Input, _shard, routes, _flat, ct).WaitAsync(Deadline, CancellationToken.None);

    private void RequirePulled(ShardReplica from)
    {
        using var expected = new NativeBuffer(_shard.Length);
        from.CopyParametersAsync(from.Applied, expected, 0, default).GetAwaiter().GetResult();
        Assert.True(expected.Span.SequenceEqual(_flat.Slice(_shard.Offset, _shard.Length)));
    }

    private static string DeadEndpoint()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return probe.LocalEndPoint!.ToString()!;
    }

    [Fact]
    public async Task A_replica_that_is_gone_or_refuses_is_replaced_by_another()
    {
        var there = Place(_holder, 3);
        // Whichever of them comes first for this node.
        await PullAsync(new PullRoutes(Grant(0, (1, DeadEndpoint()), (2, _reader.DataPlane), (3, _holder.DataPlane), (4, _holder.DataPlane))));
        RequirePulled(there);
    }

    [Fact]
    public async Task If_all_fail_the_pull_fails_with_a_reason()
    {
        var refusal = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => PullAsync(new PullRoutes(Grant(0, (2, _reader.DataPlane), (3, _holder.DataPlane)))));
        Assert.Contains("does not live on this node", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replica_that_is_silent_is_replaced_by_another()
    {
        var there = Place(_holder, 3);
        await PullAsync(new PullRoutes(Grant(0, (1, _hanging.Endpoint), (2, _hanging.Endpoint), (3, _holder.DataPlane))));
        RequirePulled(there);
    }

    [Fact]
    public async Task A_replica_here_that_lags_behind_is_replaced_by_one_that_does_not()
    {
        Place(_reader, 1);
        var there = Place(_holder, 2);
        Advance(there);
        await PullAsync(new PullRoutes(Grant(1, (1, _reader.DataPlane), (2, _holder.DataPlane))));
        RequirePulled(there);
    }

    [Fact]
    public async Task A_version_that_nobody_has_yet_is_waited_for_at_all_in_turn()
    {
        var (here, there) = (Place(_reader, 1), Place(_holder, 2));
        var pull = PullAsync(new PullRoutes(Grant(1, (1, _reader.DataPlane), (2, _holder.DataPlane))));
        await Task.Delay(3 * _reader.Plan.Elastic.SuspectAfter);
        Assert.False(pull.IsCompleted);
        Advance(here);
        await pull;
        RequirePulled(here);
        Assert.Equal(Sample.Version(0), there.Applied);
    }

    [Fact]
    public async Task A_replica_on_this_node_is_preferred_and_an_observer_never_asked()
    {
        var here = Place(_reader, 9);
        var grant = Grant(0, (1, _hanging.Endpoint), (9, _reader.DataPlane));
        await PullAsync(new PullRoutes(grant));
        RequirePulled(here);
        await Assert.ThrowsAsync<DataPlaneRefusedException>(() => PullAsync(new PullRoutes(grant with { Routes = [grant.Routes[1] with { IsObserver = true }] })));
    }

    [Fact]
    public async Task The_lone_silent_replica_is_left_when_a_later_grant_does_not_name_it()
    {
        var there = Place(_holder, 2);
        var routes = new PullRoutes(Grant(0, (1, _hanging.Endpoint)));
        var pull = PullAsync(routes);
        Assert.False(pull.IsCompleted);
        routes.Update(Grant(0, (2, _holder.DataPlane)));
        await pull;
        RequirePulled(there);
    }

    [Fact]
    public async Task Routes_of_an_earlier_grant_or_of_another_version_change_nothing()
    {
        var there = Place(_holder, 2);
        var (early, other) = (Grant(0, (1, _hanging.Endpoint)), Grant(0, (2, _holder.DataPlane)));
        var routes = new PullRoutes(other);
        routes.Update(early);
        routes.Update(Grant(1, (1, _hanging.Endpoint)));
        await PullAsync(routes);
        RequirePulled(there);
    }

    [Fact]
    public async Task Who_gives_up_ends_the_pull_at_whichever_replica_it_is()
    {
        using var patience = new CancellationTokenSource();
        var pull = PullAsync(new PullRoutes(Grant(0, (1, _hanging.Endpoint), (2, _hanging.Endpoint))), patience.Token);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull);
    }

    [Fact]
    public async Task A_load_goes_on_with_the_routes_of_a_later_grant_for_the_same_version()
    {
        foreach (var shard in _reader.Layout.Shards) Place(_holder, 2, shard);
        GrantRanks To(int number, string endpoint) =>
            Grant(0) with { Routes = [.. _reader.Layout.Shards.Select(s => new ShardRoute(s.Id, new ReplicaId(s.Id.Value == 1 ? number : 2), s.Id.Value == 1 ? endpoint : _holder.DataPlane))] };
        var first = _reader.Parameters.AcquireAsync(To(1, _hanging.Endpoint), default);
        Assert.False(first.IsCompleted);
        using var second = await _reader.Parameters.AcquireAsync(To(2, _holder.DataPlane), default).WaitAsync(Deadline);
        using var joined = await first.WaitAsync(Deadline);
    }
}
