using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Devices;

/// <summary>A real device over real replicas on one node; the test is the coordinator. What holds however the parameters come to the device.</summary>
public abstract class DeviceTests : TestKit, IClassFixture<TestRun>
{
    private const string Config = """
        akka.test { single-expect-default = 60s, default-timeout = 60s }
        device-dispatcher { type = PinnedDispatcher }
        """;

    private protected static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private protected readonly TestRun _run;
    private protected readonly NodeRuntime _node;
    private protected readonly TestProbe _first, _second;
    private protected readonly IActorRef _device;
    private readonly List<GradientSealed> _seals = [];

    private protected DeviceTests(TestRun run, params string[] sets) : base(Config)
    {
        Model.Torch.TorchRuntime.Initialize();
        _run = run;
        _node = run.Node(run.Define("", sets));
        (_first, _second) = (CreateTestProbe(), CreateTestProbe());
        _device = Device(_node);
        Place(1);
    }

    private protected IActorRef Device(NodeRuntime node)
    {
        Func<GrantInterrupt, Props> device = interrupt => Props.Create(() => new GpuActor(node, ChaosSettings.None, interrupt)).WithDispatcher("device-dispatcher");
        return Sys.ActorOf(Props.Create(() => new DeviceFront(device)));
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        _node.DisposeAsync().AsTask().Wait(Deadline);
    }

    private protected void Place(int number) => Place(_node, number);

    private protected void Place(NodeRuntime holder, int number)
    {
        foreach (var shard in holder.Layout.Shards)
        {
            var state = holder.LoadShard(shard.Id, new ReplicaSource(Sample.Version(0), null, 0));
            holder.Replicas.Add(
                new ShardReplica(state, new ReplicaId(number), Sample.Version(0), holder.VirtualRanks, holder.Pool, seal =>
                {
                    lock (_seals) _seals.Add(seal);
                }),
                shard.Length);
        }
    }

    private protected GrantRanks Grant(long term, long id, long version, RankRange? ranks = null, int number = 1, NodeRuntime? holder = null) => new(
        new Term(term), id, Sample.Version(version), ranks ?? new RankRange(0, _node.VirtualRanks), 0,
        [.. _node.Layout.Shards.Select(s => new ShardRoute(s.Id, new ReplicaId(number), (holder ?? _node).DataPlane))]);

    private protected List<UInt128> Gradients(int number)
    {
        lock (_seals) return [.. _seals.Where(s => s.Replica.Value == number).OrderBy(s => s.Shard.Value).Select(s => s.GradientDigest)];
    }

    [Fact]
    public void Ranks_are_computed_and_a_repeated_grant_is_answered_from_memory()
    {
        _device.Tell(Grant(1, 1, 0), _first);
        var done = _first.ExpectMsg<RanksCompleted>();
        Assert.Equal(_node.Definition.Samples.UnmaskedTokens(new Step(1)), done.Outcomes.Sum(o => o.LossTokens));
        Assert.Equal(_node.Layout.Shards.Count, Gradients(1).Count);
        _device.Tell(Grant(1, 1, 0), _first);
        Assert.Same(done, _first.ExpectMsg<RanksCompleted>());
        Assert.Equal(_node.Layout.Shards.Count, _node.Pool.Outstanding);
    }

    [Fact]
    public void An_audit_gives_the_checksums_of_the_same_bits_and_contributes_nothing()
    {
        int rank = _node.VirtualRanks - 1;
        _device.Tell(Grant(1, 1, 0) with { Attempt = new Attempt(5), Audited = [rank] }, _first);
        var done = _first.ExpectMsg<RanksCompleted>();
        var sums = Gradients(1);
        _device.Tell(Grant(1, 2, 0, new RankRange(rank, rank + 1)) with { Attempt = new Attempt(6), Audited = [rank], IsAudit = true }, _first);
        var audit = _first.ExpectMsg<RanksCompleted>();
        Assert.Equal((new Attempt(5), false, new Attempt(6), true), (done.Attempt, done.IsAudit, audit.Attempt, audit.IsAudit));
        var (expected, found) = (Assert.Single(done.Checksums), Assert.Single(audit.Checksums));
        Assert.Equal((rank, rank, _node.Layout.Parameters.Count), (expected.Rank, found.Rank, found.Pieces.Count));
        Assert.Equal(expected.Pieces, found.Pieces);
        Assert.Equal(RankChecksums.Of(done.Outcomes[rank]), RankChecksums.Of(audit.Outcomes[0]));
        Assert.True(found.Pieces.Distinct().Count() > found.Pieces.Count / 2);
        // A later attempt that had contributed anything would have taken the sums away.
        Assert.All(_node.Layout.Shards, s => Assert.Equal(new Attempt(5), _node.Replicas.Get(s.Id, new ReplicaId(1)).Seal!.Attempt));
        Assert.Equal(sums, Gradients(1));
    }

    [Fact]
    public void A_grant_of_a_new_term_with_the_same_number_is_another_grant()
    {
        // Version 1 will not come: the grant waits for it, and its failure comes when the new one is under way.
        _device.Tell(Grant(1, 1, 1), _first);
        Place(2);
        _device.Tell(Grant(2, 1, 0, number: 2), _second);
        var done = _second.ExpectMsg<RanksCompleted>();
        Assert.Equal((new Term(2), Sample.Version(0), _node.VirtualRanks), (done.Term, done.Input, done.Outcomes.Count));
        Assert.Equal(_node.Layout.Shards.Count, Gradients(2).Count);
        Assert.Empty(Gradients(1));
        _first.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void A_lower_term_gets_no_work_done_any_more()
    {
        _device.Tell(Grant(2, 1, 0, new RankRange(0, 1)), _second);
        var done = _second.ExpectMsg<RanksCompleted>();
        _device.Tell(Grant(1, 9, 0, new RankRange(1, 2)), _first);
        // It is still idle, and remembers what it did last.
        _device.Tell(Grant(2, 1, 0, new RankRange(0, 1)), _second);
        Assert.Same(done, _second.ExpectMsg<RanksCompleted>());
        _first.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void Interrupting_a_grant_by_others_again_and_again_does_not_change_a_bit()
    {
        _device.Tell(Grant(1, 1, 0), _first);
        _first.ExpectMsg<RanksCompleted>();
        Place(2);
        for (int i = 0; i < 20; i++) _device.Tell(Grant(2 + i, 1, 0, number: 2), _second);
        _second.FishForMessage<RanksCompleted>(m => m.Term.Value == 21, Deadline);
        Assert.Equal(Gradients(1), Gradients(2));
    }

    [Fact]
    public void A_replica_that_is_not_there_fails_the_grant_and_the_next_one_works()
    {
        _device.Tell(Grant(1, 1, 0, number: 77), _first);
        var failed = _first.ExpectMsg<RanksFailed>();
        Assert.False(failed.Fatal);
        Assert.Contains("does not live on this node", failed.Reason, StringComparison.Ordinal);
        _device.Tell(Grant(1, 2, 0), _first);
        Assert.Equal(2, _first.ExpectMsg<RanksCompleted>().GrantId);
    }

    [Fact]
    public void A_replica_that_is_lost_is_missed_and_its_sibling_stands_in_for_it()
    {
        _device.Tell(Grant(1, 1, 0), _first);
        Assert.Empty(_first.ExpectMsg<RanksCompleted>().Missed);
        Place(2);
        foreach (var shard in _node.Layout.Shards.Skip(1)) _node.Replicas.Remove(shard.Id, new ReplicaId(1));
        GrantRanks both = Grant(1, 2, 0);
        _device.Tell(both with { Routes = [.. both.Routes.Concat(Grant(1, 2, 0, number: 2).Routes).OrderBy(r => r.Shard.Value)] }, _first);
        Assert.Equal(Enumerable.Repeat(new ReplicaId(1), _node.Layout.Shards.Count - 1), _first.ExpectMsg<RanksCompleted>().Missed);
        Assert.Equal(Gradients(1), Gradients(2));
    }
}

/// <summary>Devices that have the whole model in memory.</summary>
public sealed class GpuActorTests(TestRun run) : DeviceTests(run)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_rank_that_was_contributed_with_other_bits_is_fatal_and_names_shard_and_step(bool remote)
    {
        await using NodeRuntime other = _run.Node(_node.Definition, Sample.Node(2));
        NodeRuntime holder = remote ? other : _node;
        Place(holder, 2);
        var shard = holder.Layout.Shards[1];
        holder.Replicas.Get(shard.Id, new ReplicaId(2)).Contribute(Sample.Version(0), new RankRange(0, 1), new float[shard.Length], marker: false);
        // Two others merely refuse: what is corrupt is told all the same.
        if (remote) holder.Replicas.Remove(new ShardId(0), new ReplicaId(2));
        holder.Replicas.Remove(holder.Layout.Shards[^1].Id, new ReplicaId(2));
        // The parameters come from the first placement, which is whole.
        (await _node.Parameters.AcquireAsync(Grant(1, 1, 0), default)).Dispose();
        _device.Tell(Grant(1, 1, 0, new RankRange(0, 1), number: 2, holder), _first);
        var failed = _first.ExpectMsg<RanksFailed>();
        Assert.True(failed.Fatal, failed.Reason);
        Assert.Contains($"{shard.Id}~{new ReplicaId(2)}, step 1: Ranks", failed.Reason, StringComparison.Ordinal);
    }
}
