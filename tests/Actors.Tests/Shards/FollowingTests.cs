using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Shards;

/// <summary>A replica made from its sibling on another node, over real sockets, while training goes on. The test is the coordinator.</summary>
public sealed class FollowingTests : TestKit, IClassFixture<TestRun>
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly ReplicaId Old = new(3), New = new(4);

    private readonly NodeRuntime _node, _other;
    private readonly TestProbe _coordinator, _follower;
    private readonly IActorRef _sibling, _replica;
    private readonly ShardInfo _shard;

    public FollowingTests(TestRun run) : base("akka.test.single-expect-default = 60s")
    {
        _node = run.Node(run.Define());
        _other = run.Node(_node.Definition, Sample.Node(2));
        _shard = _node.Layout.Shards.First(s => s.Kind == ShardKind.Expert);
        (_coordinator, _follower) = (CreateTestProbe(), CreateTestProbe());
        _sibling = Entity(_node, Old);
        _replica = Entity(_other, New);
        _sibling.Tell(new StartReplica(new Term(1), _node.Run, _shard.Id, Old, new ReplicaSource(Sample.Version(0), null, 0), _coordinator), _coordinator);
        _coordinator.ExpectMsg<ReplicaReady>();
    }

    private ShardReplica Sibling => _node.Replicas.Get(_shard.Id, Old);

    private ShardReplica Replica => _other.Replicas.Get(_shard.Id, New);

    protected override void AfterAll()
    {
        base.AfterAll();
        _other.DisposeAsync().AsTask().Wait(Deadline);
        _node.DisposeAsync().AsTask().Wait(Deadline);
    }

    private IActorRef Entity(NodeRuntime node, ReplicaId number)
    {
        string id = new ReplicaEntityId(_shard.Id, number, node.Id.Address, node.Id.Uid).ToString();
        return Sys.ActorOf(Props.Create(() => new ShardActor(node, id)));
    }

    private Lineage GivenFollower(IActorRef? sibling = null, string? dataPlane = null)
    {
        var source = new ReplicaSource(default, null, 0) { Sibling = new SiblingSource(Old, dataPlane ?? _node.DataPlane, sibling ?? _sibling) };
        _replica.Tell(new StartReplica(new Term(1), _node.Run, _shard.Id, New, source, _follower), _follower);
        return dataPlane is null ? _follower.ExpectMsg<ReplicaReady>(Deadline).Applied : default;
    }

    private void Contribute(ShardReplica replica, long step, int from = 0)
    {
        var random = new Random((int)step);
        for (int rank = 0; rank < _node.VirtualRanks; rank++)
        {
            float[] gradient = [.. Enumerable.Range(0, _shard.Length).Select(_ => random.NextSingle() - 0.5f)];
            if (rank >= from) replica.Contribute(Sample.Version(step - 1), new RankRange(rank, rank + 1), gradient, marker: false);
        }
    }

    private ApplyStep Decision(long step, int frozenPrefix = 0) => new(
        new Term(1), Sample.Version(step - 1), Sample.Version(step), Sample.Commit(step), 1f, 0.1f, 0.05f, frozenPrefix, false,
        new long[_node.Layout.MoeLayerCount * _node.Layout.Config.NRoutedExperts]);

    /// <summary>One step of the run at the sibling.</summary>
    private ulong Step(long step, int frozenPrefix = 0)
    {
        if (frozenPrefix == 0) Contribute(Sibling, step);
        _sibling.Tell(Decision(step, frozenPrefix), _coordinator);
        return _coordinator.FishForMessage<StepApplied>(m => m.Applied == Sample.Version(step), Deadline).StateChecksum;
    }

    private StepApplied ExpectFollowed(long step) => _follower.FishForMessage<StepApplied>(m => m.Applied == Sample.Version(step), Deadline);

    private void RequireEqual(long step)
    {
        var (expected, found) = (Sibling.Snapshot(Sample.Version(step)), Replica.Snapshot(Sample.Version(step)));
        Assert.True(Same(expected.Parameters, found.Parameters), "parameters");
        Assert.True(Same(expected.Moment1, found.Moment1), "first moments");
        Assert.True(Same(expected.Moment2, found.Moment2), "second moments");
    }

    private static bool Same(NativeBuffer a, NativeBuffer b)
    {
        bool same = System.Runtime.InteropServices.MemoryMarshal.AsBytes(a.Span).SequenceEqual(System.Runtime.InteropServices.MemoryMarshal.AsBytes(b.Span));
        a.Dispose();
        b.Dispose();
        return same;
    }

    [Fact]
    public void A_replica_made_from_a_frozen_one_that_dropped_its_moments_has_none_either()
    {
        Step(1);
        _sibling.Tell(Decision(2, _shard.Layer + 1) with { DropMoments = true }, _coordinator);
        _coordinator.FishForMessage<StepApplied>(m => m.Applied == Sample.Version(2), Deadline);
        var source = new ReplicaSource(default, null, 0) { Sibling = new SiblingSource(Old, _node.DataPlane, _sibling) };
        _replica.Tell(new StartReplica(new Term(1), _node.Run, _shard.Id, New, source, _follower), _follower);
        Assert.Equal(Sample.Version(2), _follower.ExpectMsg<ReplicaReady>().Applied);
        var (parameters, moment1, moment2) = Replica.Snapshot(Sample.Version(2));
        Assert.Equal((_shard.Length, 0, 0), (parameters.Length, moment1.Length, moment2.Length));
        foreach (var buffer in (NativeBuffer[])[parameters, moment1, moment2]) buffer.Dispose();
        RequireEqual(2);
    }

    [Fact]
    public void A_new_replica_gets_to_its_siblings_bits_while_that_goes_on()
    {
        List<ulong> checksums = [0];
        for (long step = 1; step <= 3; step++) checksums.Add(Step(step));
        // The copy is taken while steps are applied: at some version of these.
        var source = new ReplicaSource(default, null, 0) { Sibling = new SiblingSource(Old, _node.DataPlane, _sibling) };
        _replica.Tell(new StartReplica(new Term(1), _node.Run, _shard.Id, New, source, _follower), _follower);
        for (long step = 4; step <= 12; step++) checksums.Add(Step(step, step == 7 ? _shard.Layer + 1 : 0));
        var ready = _follower.ExpectMsg<ReplicaReady>();
        Assert.InRange(ready.Applied.Step.Value, 3, 12);
        Assert.Equal((_replica, New), (ready.Actor, ready.Replica));
        for (long step = 13; step <= 30; step++) checksums.Add(Step(step));
        for (long step = ready.Applied.Step.Value + 1; step <= 30; step++) Assert.Equal(checksums[(int)step], ExpectFollowed(step).StateChecksum);
        RequireEqual(30);
    }

    [Fact]
    public void A_follower_that_gets_some_contributions_takes_the_rest_from_its_sibling_and_all_of_the_next_step_for_itself()
    {
        Step(1);
        Assert.Equal(Sample.Version(1), GivenFollower());
        // Ranks from 3 on, and all of the step after it, ahead of time.
        Contribute(Replica, 2, from: 3);
        Contribute(Replica, 3);
        ulong second = Step(2);
        Assert.Equal(second, ExpectFollowed(2).StateChecksum);
        var seal = _follower.FishForMessage<GradientSealed>(m => m.Input == Sample.Version(2), Deadline);
        Assert.Equal(second, seal.StateChecksum);
        Contribute(Sibling, 3);
        Assert.Equal(Sibling.Seal! with { Replica = New }, seal);
        // Its own seal is enough: the decision comes from the coordinator.
        _replica.Tell(Decision(3), _follower);
        ulong third = ExpectFollowed(3).StateChecksum;
        Assert.Equal(third, Step(3));
        RequireEqual(3);
    }

    [Fact]
    public void A_decision_of_the_coordinator_before_the_sum_is_there_waits_for_the_siblings()
    {
        GivenFollower();
        _replica.Tell(Decision(1), _follower);
        _replica.Tell(Decision(1), _follower);
        _replica.Tell(Decision(3), _follower);
        Contribute(Sibling, 1);
        ExpectFollowed(1);
        Assert.Equal(Sample.Version(0), Sibling.Applied);
        Step(1);
        RequireEqual(1);
    }

    [Fact]
    public void Decisions_said_several_times_by_both_are_applied_once()
    {
        GivenFollower();
        for (long step = 1; step <= 5; step++)
        {
            Step(step);
            _replica.Tell(new SiblingStep(_shard.Id, Old, Decision(step)));
            _replica.Tell(Decision(step), _follower);
            _replica.Tell(new SiblingStep(_shard.Id, Old, Decision(step)));
            ExpectFollowed(step);
        }
        RequireEqual(5);
    }

    [Fact]
    public void Questions_that_are_lost_are_asked_again()
    {
        int asked = 0;
        Func<object, bool> everyThird = message => message is not FollowStep || Interlocked.Increment(ref asked) % 3 == 0;
        var lossy = Sys.ActorOf(Props.Create(() => new Relay(_sibling, everyThird)));
        GivenFollower(lossy);
        for (long step = 1; step <= 4; step++) Step(step);
        ExpectFollowed(4);
        Assert.True(asked >= 12, $"{asked} questions");
        RequireEqual(4);
    }

    [Fact]
    public void An_admitted_replica_asks_no_more_and_does_not_need_its_sibling()
    {
        var sibling = CreateTestProbe();
        GivenFollower(sibling);
        Assert.Equal(new FollowStep(_shard.Id, New, Sample.Version(0)), sibling.ExpectMsg<FollowStep>());
        _replica.Tell(new AdmitReplica(new Term(1)), _follower);
        _replica.Tell(new PromiseTerm(new Term(1)), _follower);
        _follower.ExpectMsg<ReplicaReport>();
        while (sibling.HasMessages) sibling.ReceiveOne(TimeSpan.Zero);
        sibling.ExpectNoMsg(TimeSpan.FromMilliseconds(600));
        Watch(sibling);
        Sys.Stop(sibling);
        ExpectTerminated(sibling, Deadline);
        // From now on like any other: without its own seal it refuses.
        _replica.Tell(Decision(1), _follower);
        Assert.Contains("has not sealed", _follower.ExpectMsg<ReplicaRefusal>().Reason, StringComparison.Ordinal);
        Contribute(Replica, 1);
        Assert.NotNull(_follower.ExpectMsg<GradientSealed>());
        _replica.Tell(new PromiseTerm(new Term(2)), _follower);
        Assert.Equal(Replica.Seal, _follower.ExpectMsg<ReplicaReport>().Seal);
        _replica.Tell(Decision(1) with { Term = new Term(2) }, _follower);
        Assert.Equal(Sample.Version(1), _follower.ExpectMsg<StepApplied>().Applied);
    }

    [Fact]
    public void A_follower_whose_sibling_ends_says_so_and_ends()
    {
        GivenFollower();
        Watch(_replica);
        Sys.Stop(_sibling);
        Assert.Contains($"{_shard.Id}~{Old} has ended", _follower.ExpectMsg<ReplicaFailed>().Reason, StringComparison.Ordinal);
        ExpectTerminated(_replica, Deadline);
        Assert.Empty(_other.HeldReplicas);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_follower_whose_sibling_ends_goes_on_if_it_is_admitted_or_manages_without(bool isAdmitted)
    {
        GivenFollower();
        Watch(_sibling);
        Sys.Stop(_sibling);
        ExpectTerminated(_sibling, Deadline);
        if (isAdmitted) _replica.Tell(new AdmitReplica(new Term(1)), _follower);
        Contribute(Replica, 1);
        _follower.ExpectMsg<GradientSealed>();
        _replica.Tell(Decision(1), _follower);
        ExpectFollowed(1);
        _follower.ExpectNoMsg(TimeSpan.FromSeconds(3));
        Contribute(Replica, 2);
        _follower.ExpectMsg<GradientSealed>();
        _replica.Tell(Decision(2), _follower);
        ExpectFollowed(2);
        // It follows nobody any more: what it lacks it refuses.
        _replica.Tell(Decision(3), _follower);
        _follower.ExpectMsg<ReplicaRefusal>();
    }

    [Fact]
    public void A_follower_that_is_too_far_behind_is_refused_and_ends()
    {
        // Nobody followed in the meantime, as it seems to the sibling.
        var sibling = CreateTestProbe();
        GivenFollower(sibling);
        sibling.ExpectMsg<FollowStep>();
        for (long step = 1; step <= RetainedSteps.MostSteps + 1; step++) Step(step, _shard.Layer + 1);
        Watch(_replica);
        _sibling.Tell(new FollowStep(_shard.Id, New, Sample.Version(0)), _replica);
        Assert.Contains("is not kept", _follower.ExpectMsg<ReplicaFailed>().Reason, StringComparison.Ordinal);
        ExpectTerminated(_replica, Deadline);
    }

    [Fact]
    public void A_sum_that_is_not_kept_ends_the_follower()
    {
        var sibling = CreateTestProbe();
        GivenFollower(sibling);
        Watch(_replica);
        var foreign = Decision(1) with { Input = Sample.Version(0), Output = Sample.Version(1) };
        Sibling.Dispose();
        _replica.Tell(new SiblingStep(_shard.Id, Old, foreign));
        Assert.Contains("was stopped", _follower.ExpectMsg<ReplicaFailed>().Reason, StringComparison.Ordinal);
        ExpectTerminated(_replica, Deadline);
    }

    [Fact]
    public void A_sibling_that_cannot_be_reached_fails_the_copy()
    {
        Watch(_replica);
        GivenFollower(dataPlane: "127.0.0.1:1");
        Assert.Contains("127.0.0.1:1", _follower.ExpectMsg<ReplicaFailed>().Reason, StringComparison.Ordinal);
        ExpectTerminated(_replica, Deadline);
    }

    [Fact]
    public void A_sibling_that_is_not_there_fails_the_copy()
    {
        Sibling.Dispose();
        var source = new ReplicaSource(default, null, 0) { Sibling = new SiblingSource(Old, _node.DataPlane, _sibling) };
        _replica.Tell(new StartReplica(new Term(1), _node.Run, _shard.Id, New, source, _follower), _follower);
        Assert.Contains("was stopped", _follower.ExpectMsg<ReplicaFailed>().Reason, StringComparison.Ordinal);
    }

    /// <summary>Hands on what gets through.</summary>
    private sealed class Relay : ReceiveActor
    {
        public Relay(IActorRef to, Func<object, bool> passes) => ReceiveAny(message =>
        {
            if (passes(message)) to.Forward(message);
        });
    }
}
