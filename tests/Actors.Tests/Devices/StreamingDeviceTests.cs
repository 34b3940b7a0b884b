using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Actors.Tests.Plans;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Devices;

/// <summary>Devices with room for one layer: the same, and what can only happen in the middle of a pass.</summary>
public sealed class StreamingDeviceTests(TestRun run) : DeviceTests(run, Memory)
{
    private static string Memory { get; } = Least();

    private StreamedParameters Streamed => (StreamedParameters)_node.Parameters;

    private static string Least()
    {
        Plan plan = Given.Plan("device.memory = 1 TB");
        return FormattableString.Invariant($"device.memory={DeviceMemory.Of(plan, ParameterLayout.Create(plan.Model.Config))!.Least}");
    }

    /// <summary>Version 1 of the embedding is there, of the other shards never: a pass begins and stops at the first layer.</summary>
    private void AdvanceEmbedding(int number) => Advance(_node.Layout.Shards[0].Id, number);

    private void Advance(ShardId shard, int number)
    {
        ShardReplica replica = _node.Replicas.Get(shard, new ReplicaId(number));
        replica.Contribute(Sample.Version(0), new RankRange(0, _node.VirtualRanks), default, marker: true);
        replica.Apply(new ApplyStep(
            new Term(1), Sample.Version(0), Sample.Version(1), Sample.Commit(1), 1f, 0.1f, 0.05f, 0, false,
            new long[_node.Layout.MoeLayerCount * _node.Layout.Config.NRoutedExperts]));
    }

    private void AwaitBlockedDevice()
    {
        // The embedding is loaded, and the load of the first layer has begun.
        AwaitCondition(() => Streamed.Window.Loads == 2, Deadline);
    }

    [Fact]
    public async Task A_window_of_one_layer_gives_the_bits_of_the_whole_model()
    {
        await using NodeRuntime resident = _run.Node(_run.Define(), Sample.Node(2));
        Assert.IsType<NodeParameters>(resident.Parameters);
        Place(resident, 2);
        _device.Tell(Grant(1, 1, 0), _first);
        var streamed = _first.ExpectMsg<RanksCompleted>();
        IActorRef other = Device(resident);
        other.Tell(Grant(1, 1, 0, number: 2, holder: resident), _second);
        var whole = _second.ExpectMsg<RanksCompleted>();
        Assert.Equal(whole.Outcomes.Select(o => o.LossSum), streamed.Outcomes.Select(o => o.LossSum));
        Assert.Equal(_node.Layout.Shards.Count, Gradients(1).Count);
        Assert.Equal(Gradients(2), Gradients(1));
        Assert.True(Streamed.Window.Loads > _node.VirtualRanks * _node.Layout.Segments.Count, "the layers were held, not streamed");
        Assert.InRange(Streamed.Window.Peak, 1, ParameterWindow.LeastBytes(_node.Layout));
        await other.GracefulStop(Deadline);
    }

    [Fact]
    public void A_device_that_waits_for_a_layer_that_never_comes_is_freed_by_a_later_grant()
    {
        AdvanceEmbedding(1);
        _device.Tell(Grant(1, 1, 1), _first);
        AwaitBlockedDevice();
        Place(2);
        _device.Tell(Grant(2, 1, 0, number: 2), _second);
        Assert.Equal(new Term(2), _second.ExpectMsg<RanksCompleted>().Term);
        Assert.Equal(_node.Layout.Shards.Count, Gradients(2).Count);
        _first.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void A_replica_that_moves_on_in_the_middle_fails_the_grant_and_the_next_one_works()
    {
        foreach (ShardInfo shard in _node.Layout.Shards.Skip(3)) Advance(shard.Id, 1);
        _device.Tell(Grant(1, 1, 0), _first);
        var failed = _first.ExpectMsg<RanksFailed>();
        Assert.False(failed.Fatal, failed.Reason);
        Assert.Contains("cannot serve", failed.Reason, StringComparison.Ordinal);
        Place(2);
        _device.Tell(Grant(1, 2, 0, number: 2), _first);
        Assert.Equal(2, _first.ExpectMsg<RanksCompleted>().GrantId);
    }

    [Fact]
    public async Task A_node_that_dies_in_the_middle_fails_the_grant_and_the_next_one_works()
    {
        await using NodeRuntime other = _run.Node(_node.Definition, Sample.Node(2));
        Place(other, 1);
        AdvanceEmbedding(1);
        GrantRanks local = Grant(1, 1, 1);
        _device.Tell(local with { Routes = [local.Routes[0], .. Grant(1, 1, 1, holder: other).Routes.Skip(1)] }, _first);
        AwaitBlockedDevice();
        await other.DisposeAsync();
        var failed = _first.ExpectMsg<RanksFailed>();
        Assert.False(failed.Fatal, failed.Reason);
        Place(2);
        _device.Tell(Grant(1, 2, 0, number: 2), _first);
        Assert.Equal(2, _first.ExpectMsg<RanksCompleted>().GrantId);
    }

    [Fact]
    public void Nodes_that_end_do_not_wait_for_a_device_that_waits()
    {
        AdvanceEmbedding(1);
        _device.Tell(Grant(1, 1, 1), _first);
        AwaitBlockedDevice();
        _node.Parameters.Stop();
        Assert.False(_first.ExpectMsg<RanksFailed>().Fatal);
    }

    [Fact]
    public async Task The_next_version_waits_for_the_leases_of_the_one_before_and_keeps_nothing_of_it()
    {
        GrantRanks current = Grant(1, 1, 0);
        var lease = await Streamed.AcquireAsync(current, default).WaitAsync(Deadline);
        foreach (ShardInfo shard in _node.Layout.Shards) Advance(shard.Id, 1);
        var earlier = Streamed.AcquireAsync(current with { Input = Sample.Version(1), GrantId = 0 }, default);
        Assert.False(earlier.IsCompleted);
        // What is loaded now is refused: there is no mixture.
        var layer = (WindowSession)lease.Residency!;
        await Assert.ThrowsAsync<Collectives.DataPlaneRefusedException>(() => layer.EnterAsync(ParameterSegment.OfLayer(0)).WaitAsync(Deadline));
        Assert.False(earlier.IsCompleted);
        lease.Dispose();
        using var next = await earlier.WaitAsync(Deadline);
        ShardInfo embedding = _node.Layout.Shards[0];
        using var expected = new NativeBuffer(embedding.Length);
        await _node.Replicas.Get(embedding.Id, new ReplicaId(1)).CopyParametersAsync(Sample.Version(1), expected, 0, default);
        Assert.True(expected.Span.SequenceEqual(Streamed.Buffer.Slice(embedding.Offset, embedding.Length)), "the embedding is that of another version");
    }
}
