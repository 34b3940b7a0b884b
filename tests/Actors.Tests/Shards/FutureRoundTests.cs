using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using static ElasticTrain.Actors.Tests.Shards.ShardReplicaTests;

namespace ElasticTrain.Actors.Tests.Shards;

/// <summary>Contributions to the step after the one in progress: a sibling that was faster has served its input version already.</summary>
public sealed class FutureRoundTests : IDisposable
{
    private readonly BufferPool _pool = new();
    private readonly List<GradientSealed> _seals = [];
    private readonly ShardReplica _replica, _sibling;

    public FutureRoundTests()
    {
        _replica = Replica(5, _seals.Add);
        _sibling = Replica(6, _ => { });
    }

    public void Dispose()
    {
        _replica.Dispose();
        _sibling.Dispose();
        Assert.Equal(0, _pool.Outstanding);
        _pool.Dispose();
    }

    private ShardReplica Replica(int number, Action<GradientSealed> onSealed)
    {
        var state = new ShardState(Layout, Shard.Id, Optimizer);
        state.Initialize(1);
        return new ShardReplica(state, new ReplicaId(number), Sample.Version(0), Ranks, _pool, onSealed);
    }

    private void Foreign(string history, int rank) =>
        _replica.Contribute(new Lineage(new Step(1), Digest256.Of(history)), new RankRange(rank, rank + 1), Gradient(2, rank), marker: false);

    /// <summary>What the seal of step 2 must be: that of a replica to which everything came in order.</summary>
    private GradientSealed Expected()
    {
        ContributeAll(_sibling, 1);
        _sibling.Apply(Decision(1));
        ContributeAll(_sibling, 2);
        return _sibling.Seal! with { Replica = _replica.Replica };
    }

    [Fact]
    public async Task A_step_that_is_complete_before_the_one_in_progress_is_applied_is_reported_then_with_the_checksum()
    {
        ContributeAll(_replica, 2);
        Assert.Null(_replica.Seal);
        Assert.Empty(_seals);
        ContributeAll(_replica, 1);
        Assert.Equal(Sample.Version(0), Assert.Single(_seals).Input);
        Assert.Null(_seals[0].StateChecksum);
        ulong checksum = _replica.Apply(Decision(1));
        Assert.Equal(Expected() with { StateChecksum = checksum }, _replica.Seal);
        Assert.Equal([_seals[0], _replica.Seal!], _seals);
        Assert.Equal(_sibling.Apply(Decision(2)), _replica.Apply(Decision(2)));
        Assert.Equal(await ParametersAsync(_sibling, 2), await ParametersAsync(_replica, 2));
    }

    [Fact]
    public void A_step_that_is_complete_in_parts_before_and_after_is_reported_once()
    {
        for (int rank = 0; rank < Ranks; rank += 2) Contribute(_replica, 2, rank);
        ContributeAll(_replica, 1);
        _replica.Apply(Decision(1));
        Assert.Null(_replica.Seal);
        for (int rank = 0; rank < Ranks; rank++) Contribute(_replica, 2, rank);
        Assert.Equal(Expected(), _replica.Seal);
        Assert.Equal(2, _seals.Count);
    }

    [Fact]
    public void A_duplicate_is_dropped_and_other_bits_are_a_mismatch_that_names_its_step()
    {
        Contribute(_replica, 2, 3);
        long outstanding = _pool.Outstanding;
        Contribute(_replica, 2, 3);
        Assert.Equal(outstanding, _pool.Outstanding);
        var mismatch = Assert.Throws<ContributionMismatchException>(
            () => _replica.Contribute(Sample.Version(1), new RankRange(3, 4), Gradient(2, 4), marker: false));
        Assert.Contains("step 2", mismatch.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_further_ahead_is_refused()
    {
        Assert.Throws<DataPlaneRefusedException>(() => Contribute(_replica, 3, 0));
        Assert.Equal(0, _pool.Outstanding);
    }

    [Fact]
    public void Of_three_histories_the_oldest_is_dropped_with_its_buffers()
    {
        for (int rank = 0; rank < Ranks; rank += 2) Foreign("a", rank);
        long one = _pool.Outstanding;
        Contribute(_replica, 2, 0);
        Foreign("c", 0);
        Assert.Equal(2, _pool.Outstanding);
        Assert.True(one > 2);
        // The one that comes true keeps what it has.
        for (int rank = 1; rank < Ranks; rank++) Contribute(_replica, 2, rank);
        ContributeAll(_replica, 1);
        _replica.Apply(Decision(1));
        Assert.Equal(Expected(), _replica.Seal);
    }

    [Fact]
    public void Other_histories_are_dropped_when_one_comes_true()
    {
        for (int rank = 0; rank < Ranks; rank += 2) Foreign("a", rank);
        ContributeAll(_replica, 1);
        _replica.Apply(Decision(1));
        Assert.Equal(0, _pool.Outstanding);
        Assert.Throws<DataPlaneRefusedException>(() => Foreign("a", 0));
    }

    [Fact]
    public void Steps_that_do_not_change_the_state_hand_the_checksum_on()
    {
        ContributeAll(_replica, 1);
        ulong checksum = _replica.Apply(Decision(1));
        _replica.Apply(Decision(2, frozenPrefix: Shard.Layer + 1));
        ContributeAll(_replica, 3);
        Assert.Equal(checksum, _replica.Seal!.StateChecksum);
        var skipped = Decision(3);
        _replica.Apply(skipped with { Decision = skipped.Decision with { Skipped = true } });
        ContributeAll(_replica, 4);
        Assert.Equal(checksum, _replica.Seal!.StateChecksum);
        ulong next = _replica.Apply(Decision(4));
        ContributeAll(_replica, 5);
        Assert.Equal(next, _replica.Seal!.StateChecksum);
        Assert.NotEqual(checksum, next);
    }
}
