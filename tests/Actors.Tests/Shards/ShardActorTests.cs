using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Shards;

public sealed class ShardActorTests : TestKit, IClassFixture<TestRun>
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly ShardId Shard = new(1);
    private static readonly ReplicaId Number = new(9);

    private readonly NodeRuntime _node;
    private readonly TestProbe _first, _second, _writer;
    private readonly IActorRef _shard;

    public ShardActorTests(TestRun run) : base("akka.test.single-expect-default = 60s")
    {
        _node = run.Node(run.Define());
        (_first, _second, _writer) = (CreateTestProbe(), CreateTestProbe(), CreateTestProbe());
        _node.CheckpointWriter = _writer;
        _shard = Entity(new ReplicaEntityId(Shard, Number, _node.Id.Address, _node.Id.Uid));
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        _node.DisposeAsync().AsTask().Wait(Deadline);
    }

    private IActorRef Entity(ReplicaEntityId id) => Sys.ActorOf(Props.Create(() => new ShardActor(_node, id.ToString())));

    private StartReplica Start(long term, TestProbe coordinator, RunId? run = null) =>
        new(new Term(term), run ?? _node.Run, Shard, Number, new ReplicaSource(Sample.Version(0), null, 0), coordinator);

    private void GivenStarted()
    {
        _shard.Tell(Start(1, _first), _first);
        Assert.Equal(Sample.Version(0), _first.ExpectMsg<ReplicaReady>().Applied);
    }

    private GradientSealed Contribute(long step, TestProbe coordinator)
    {
        _node.Replicas.Get(Shard, Number).Contribute(Sample.Version(step - 1), new RankRange(0, _node.VirtualRanks), default, marker: true);
        return coordinator.ExpectMsg<GradientSealed>();
    }

    private ApplyStep Apply(long term, long step, int frozenPrefix = 0) => new(
        new Term(term), Sample.Version(step - 1), Sample.Version(step), Sample.Commit(step), 1f, 0.1f, 0.05f, frozenPrefix, false,
        new long[_node.Layout.MoeLayerCount * _node.Layout.Config.NRoutedExperts]);

    [Fact]
    public void Starting_twice_is_starting_once_and_both_are_answered()
    {
        GivenStarted();
        _shard.Tell(Start(1, _first), _first);
        Assert.Equal(Sample.Version(0), _first.ExpectMsg<ReplicaReady>().Applied);
        Assert.Equal([(Shard, Number)], _node.HeldReplicas.Keys);
    }

    [Fact]
    public void A_lower_term_is_refused_whatever_it_asks_for_and_is_told_the_higher_one()
    {
        GivenStarted();
        Contribute(1, _first);
        _shard.Tell(new PromiseTerm(new Term(4)), _second);
        Assert.Equal((new Term(4), Sample.Version(0)), (_second.ExpectMsg<ReplicaReport>().Term, Sample.Version(0)));
        object[] late = [Start(3, _first), new PromiseTerm(new Term(3)), Apply(3, 1), new SnapshotReplica(new Term(3), Sample.Version(0)), new ReportSeal(new Term(3), Sample.Version(0)), new StopReplica(new Term(3))];
        foreach (object message in late)
        {
            _shard.Tell(message, _first);
            var refusal = _first.ExpectMsg<ReplicaRefusal>();
            Assert.Equal(new Term(4), refusal.Promised);
            Assert.Contains("term 3 is over", refusal.Reason, StringComparison.Ordinal);
        }
        Assert.Equal(Sample.Version(0), _node.Replicas.Get(Shard, Number).Applied);
    }

    [Fact]
    public void A_decided_step_is_applied_once_and_confirmed_as_often_as_it_is_sent()
    {
        GivenStarted();
        Contribute(1, _first);
        _shard.Tell(Apply(1, 1), _first);
        var applied = _first.ExpectMsg<StepApplied>();
        _shard.Tell(Apply(1, 1), _first);
        Assert.Equal(applied, _first.ExpectMsg<StepApplied>());
        Assert.Equal(Sample.Version(1), _node.Replicas.Get(Shard, Number).Applied);
    }

    [Fact]
    public void A_step_that_skips_one_or_is_not_sealed_is_refused()
    {
        GivenStarted();
        _shard.Tell(Apply(1, 1), _first);
        Assert.Contains("has not sealed", _first.ExpectMsg<ReplicaRefusal>().Reason, StringComparison.Ordinal);
        Contribute(1, _first);
        _shard.Tell(Apply(1, 2), _first);
        Assert.Contains("step 2 follows", _first.ExpectMsg<ReplicaRefusal>().Reason, StringComparison.Ordinal);
        Assert.Equal(Sample.Version(0), _node.Replicas.Get(Shard, Number).Applied);
    }

    [Fact]
    public void A_successor_learns_how_far_the_replica_is_and_with_which_decision()
    {
        GivenStarted();
        _shard.Tell(new PromiseTerm(new Term(2)), _second);
        var before = _second.ExpectMsg<ReplicaReport>();
        Assert.Equal((Sample.Version(0), null), (before.Applied, before.Decision));
        Contribute(1, _second);
        var apply = Apply(2, 1);
        _shard.Tell(apply, _second);
        _second.ExpectMsg<StepApplied>();
        _shard.Tell(new PromiseTerm(new Term(3)), _first);
        var after = _first.ExpectMsg<ReplicaReport>();
        Assert.Equal((Sample.Version(1), new Term(3)), (after.Applied, after.Term));
        Assert.Same(apply, after.Decision);
    }

    [Fact]
    public void A_seal_whose_message_was_lost_is_reported_on_request()
    {
        GivenStarted();
        _shard.Tell(new ReportSeal(new Term(1), Sample.Version(0)), _first);
        var seal = Contribute(1, _first);
        _shard.Tell(new ReportSeal(new Term(1), Sample.Version(0)), _first);
        Assert.Equal(seal, _first.ExpectMsg<GradientSealed>());
    }

    [Fact]
    public void A_frozen_shard_applies_without_a_gradient()
    {
        GivenStarted();
        _shard.Tell(Apply(1, 1, frozenPrefix: _node.Layout.Shards[Shard.Value].Layer + 1), _first);
        Assert.Equal(Sample.Version(1), _first.ExpectMsg<StepApplied>().Applied);
    }

    [Fact]
    public void A_snapshot_goes_to_the_writer_and_one_of_a_past_version_is_a_failure()
    {
        GivenStarted();
        _shard.Tell(new SnapshotReplica(new Term(1), Sample.Version(0)), _first);
        ExpectWrite(0);
        Contribute(1, _first);
        _shard.Tell(Apply(1, 1), _first);
        _first.ExpectMsg<StepApplied>();
        _shard.Tell(new SnapshotReplica(new Term(1), Sample.Version(0)), _first);
        Assert.Equal((Shard, Sample.Version(0)), (_first.ExpectMsg<BlobFailed>() is var f ? f.Shard : default, f.Version));
    }

    [Fact]
    public void A_snapshot_waits_for_the_decision_that_leads_to_its_version()
    {
        GivenStarted();
        _shard.Tell(new SnapshotReplica(new Term(1), Sample.Version(1)), _first);
        Contribute(1, _first);
        _shard.Tell(Apply(1, 1), _first);
        _first.ExpectMsg<StepApplied>();
        ExpectWrite(1);
    }

    private void ExpectWrite(long step)
    {
        var write = _writer.ExpectMsg<WriteBlob>();
        Assert.Equal((Shard, Sample.Version(step), (IActorRef)_first.Ref), (write.Shard, write.Version, write.ReplyTo));
        write.Parameters.Dispose();
        write.Moment1.Dispose();
        write.Moment2.Dispose();
        var other = new Lineage(Step.Zero, Digest256.Of("another history"));
        _shard.Tell(new SnapshotReplica(new Term(1), other), _first);
        Assert.Equal((Shard, other), (_first.ExpectMsg<BlobFailed>() is var f ? f.Shard : default, f.Version));
    }

    [Fact]
    public void A_replica_placed_on_another_life_of_this_node_does_not_start()
    {
        var entity = Entity(new ReplicaEntityId(Shard, Number, _node.Id.Address, _node.Id.Uid + 1));
        Watch(entity);
        entity.Tell(Start(1, _first), _first);
        Assert.Contains("placed on", _first.ExpectMsg<ReplicaFailed>().Reason, StringComparison.Ordinal);
        ExpectTerminated(entity, Deadline);
        Assert.Empty(_node.HeldReplicas);
    }

    [Fact]
    public void Another_runs_replica_does_not_start()
    {
        var other = new RunId(Guid.NewGuid());
        _shard.Tell(Start(1, _first, other), _first);
        Assert.Contains(other.ToString(), _first.ExpectMsg<ReplicaFailed>().Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_replica_whose_blob_is_missing_says_so_and_ends()
    {
        Watch(_shard);
        _shard.Tell(Start(1, _first) with { Source = new ReplicaSource(Sample.Version(10), Digest256.Of("nothing"), 12) }, _first);
        Assert.NotEmpty(_first.ExpectMsg<ReplicaFailed>().Reason);
        ExpectTerminated(_shard, Deadline);
        Assert.Empty(_node.HeldReplicas);
    }

    [Fact]
    public void The_end_of_an_old_replica_does_not_hide_the_new_one_of_the_same_shard()
    {
        GivenStarted();
        var newer = new ReplicaId(Number.Value + 1);
        var successor = Entity(new ReplicaEntityId(Shard, newer, _node.Id.Address, _node.Id.Uid));
        successor.Tell(Start(1, _first) with { Replica = newer }, _first);
        Assert.Equal(newer, _first.ExpectMsg<ReplicaReady>().Replica);
        Watch(_shard);
        _shard.Tell(new StopReplica(new Term(1)), _first);
        ExpectTerminated(_shard, Deadline);
        Assert.Equal([(Shard, newer)], _node.HeldReplicas.Keys);
        Assert.Equal(newer, _node.Replicas.Get(Shard, newer).Replica);
    }

    [Fact]
    public void An_unstarted_replica_serves_nothing()
    {
        _shard.Tell(Apply(1, 1), _first);
        _shard.Tell(new SnapshotReplica(new Term(1), Sample.Version(0)), _first);
        _shard.Tell(new PromiseTerm(new Term(1)), _first);
        Assert.Equal(default, _first.ExpectMsg<ReplicaReport>().Applied);
        Assert.Empty(_node.HeldReplicas);
    }
}
