using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Nodes;

public sealed class NodeParametersTests(TestRun run) : IClassFixture<TestRun>, IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly NodeRuntime _reader = run.Node(run.Define());
    private NodeRuntime _holder = null!;

    public Task InitializeAsync()
    {
        // The same run on another node, reached over a socket.
        _holder = run.Node(_reader.Definition, Sample.Node(2));
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _reader.DisposeAsync();
        await _holder.DisposeAsync();
    }

    private static ShardReplica Place(NodeRuntime node, ShardId shard, int number)
    {
        var state = node.LoadShard(shard, new ReplicaSource(Sample.Version(0), null, 0));
        var replica = new ShardReplica(state, new ReplicaId(number), Sample.Version(0), node.VirtualRanks, node.Pool, _ => { });
        node.Replicas.Add(replica, state.Info.Length);
        return replica;
    }

    /// <summary>Every second shard on the reader itself, the others on the holder.</summary>
    private List<ShardReplica> PlaceAll(int number) =>
        [.. _reader.Layout.Shards.Select(s => Place(s.Id.Value % 2 == 0 ? _reader : _holder, s.Id, number))];

    private GrantRanks Grant(long term, long id, long version, int number) => new(
        new Term(term), id, Sample.Version(version), new RankRange(0, 1), 0,
        [.. _reader.Layout.Shards.Select(s => new ShardRoute(s.Id, new ReplicaId(number), s.Id.Value % 2 == 0 ? _reader.DataPlane : _holder.DataPlane))]);

    private void Advance(IEnumerable<ShardReplica> replicas, long step, float weightDecay = 0.1f)
    {
        foreach (var replica in replicas)
        {
            replica.Contribute(Sample.Version(step - 1), new RankRange(0, _reader.VirtualRanks), default, marker: true);
            replica.Apply(new ApplyStep(
                new Term(1), Sample.Version(step - 1), Sample.Version(step), Sample.Commit(step), 1f, 0.1f, 0.05f, 0, false,
                new long[_reader.Layout.MoeLayerCount * _reader.Layout.Config.NRoutedExperts])
            { WeightDecay = weightDecay });
        }
    }

    private int[] Buffer() => [.. _reader.Parameters.Buffer.Span.ToArray().Select(BitConverter.SingleToInt32Bits)];

    private int[] Expected(IReadOnlyList<ShardReplica> replicas, long step)
    {
        using var whole = new NativeBuffer(_reader.Layout.TotalLength);
        foreach (var shard in _reader.Layout.Shards) replicas[shard.Id.Value].CopyParametersAsync(Sample.Version(step), whole, shard.Offset, default).GetAwaiter().GetResult();
        return [.. whole.Span.ToArray().Select(BitConverter.SingleToInt32Bits)];
    }

    [Fact]
    public async Task A_version_is_pulled_once_from_this_node_and_from_others()
    {
        var replicas = PlaceAll(1);
        var leases = await Task.WhenAll(Enumerable.Range(1, 4).Select(i => _reader.Parameters.AcquireAsync(Grant(1, i, 0, 1), default))).WaitAsync(Deadline);
        Assert.Equal(Expected(replicas, 0), Buffer());
        foreach (var lease in leases) lease.Dispose();
        Assert.Equal(0, _reader.Pool.Outstanding);
    }

    [Fact]
    public async Task The_buffer_does_not_change_under_a_lease()
    {
        var replicas = PlaceAll(1);
        var lease = await _reader.Parameters.AcquireAsync(Grant(1, 1, 0, 1), default).WaitAsync(Deadline);
        int[] before = Buffer();
        Advance(replicas, 1);
        var next = _reader.Parameters.AcquireAsync(Grant(1, 2, 1, 1), default);
        Assert.False(next.IsCompleted);
        Assert.Equal(before, Buffer());
        lease.Dispose();
        lease.Dispose();
        using (await next.WaitAsync(Deadline)) Assert.Equal(Expected(replicas, 1), Buffer());
        Assert.NotEqual(before, Buffer());
    }

    [Fact]
    public async Task What_was_pulled_before_the_replicas_were_placed_anew_is_not_computed_on()
    {
        // One of the first replicas holds wrong bits under the version's name.
        var wrong = PlaceAll(1);
        Advance(wrong.Skip(1), 1);
        Advance(wrong.Take(1), 1, weightDecay: 0.2f);
        (await _reader.Parameters.AcquireAsync(Grant(1, 1, 1, 1), default).WaitAsync(Deadline)).Dispose();
        var replicas = PlaceAll(2);
        Advance(replicas, 1);
        using (await _reader.Parameters.AcquireAsync(Grant(1, 2, 1, 2) with { PlacedAt = new Attempt(2) }, default).WaitAsync(Deadline))
            Assert.Equal(Expected(replicas, 1), Buffer());
        Assert.NotEqual(Expected(wrong, 1), Expected(replicas, 1));
    }

    [Fact]
    public async Task An_outdated_grant_that_waits_for_ever_does_not_block_the_node()
    {
        PlaceAll(1);
        // Version 7 will never come.
        var stale = _reader.Parameters.AcquireAsync(Grant(1, 9, 7, 1), default);
        var replicas = PlaceAll(2);
        Advance(replicas, 1);
        using (await _reader.Parameters.AcquireAsync(Grant(2, 1, 1, 2), default).WaitAsync(Deadline)) Assert.Equal(Expected(replicas, 1), Buffer());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stale.WaitAsync(Deadline));
    }

    [Fact]
    public async Task An_older_grant_does_not_cancel_a_newer_one()
    {
        var replicas = PlaceAll(1);
        var current = _reader.Parameters.AcquireAsync(Grant(2, 1, 1, 1), default);
        using var patience = new CancellationTokenSource();
        var old = _reader.Parameters.AcquireAsync(Grant(1, 9, 7, 1), patience.Token);
        Advance(replicas, 1);
        using (await current.WaitAsync(Deadline)) Assert.Equal(Expected(replicas, 1), Buffer());
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => old.WaitAsync(Deadline));
    }

    [Fact]
    public async Task One_pull_that_fails_fails_the_load_though_others_would_wait()
    {
        var replicas = PlaceAll(1);
        _holder.Replicas.Remove(new ShardId(1), new ReplicaId(1));
        var refusal = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => _reader.Parameters.AcquireAsync(Grant(1, 1, 1, 1), default).WaitAsync(Deadline));
        Assert.Contains("does not live on this node", refusal.Message, StringComparison.Ordinal);
        // And the node can load again.
        _holder.Replicas.Add(replicas[1], _reader.Layout.Shards[1].Length);
        using (await _reader.Parameters.AcquireAsync(Grant(1, 2, 0, 1), default).WaitAsync(Deadline)) Assert.Equal(Expected(replicas, 0), Buffer());
    }

    [Fact]
    public async Task Giving_up_leaves_the_buffer_free_for_the_next_version()
    {
        var replicas = PlaceAll(1);
        using var patience = new CancellationTokenSource();
        var given = _reader.Parameters.AcquireAsync(Grant(1, 1, 1, 1), patience.Token);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given.WaitAsync(Deadline));
        using (await _reader.Parameters.AcquireAsync(Grant(1, 2, 0, 1), default).WaitAsync(Deadline)) Assert.Equal(Expected(replicas, 0), Buffer());
    }
}
