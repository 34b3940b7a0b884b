using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Shards;

/// <summary>What was contributed and sealed under one attempt at a step is never taken for another one's.</summary>
public sealed class AttemptTests : IDisposable
{
    private const int Ranks = 4;
    private static readonly Attempt First = Attempt.Before(new Term(1)).Next, Second = First.Next, Successors = Attempt.Before(new Term(2)).Next;
    private static readonly Model.ParameterLayout Layout = Model.ParameterLayout.Create(Tests.Plans.Given.Plan().Model.Config);

    private readonly BufferPool _pool = new();
    private readonly List<GradientSealed> _seals = [];
    private readonly ShardReplica _replica;
    private readonly int _length = Layout.Shards[0].Length;

    public AttemptTests()
    {
        var state = new ShardState(Layout, new ShardId(0), new OptimizerConstants(0.9f, 0.95f, 1e-8f, 0.001f));
        state.Initialize(1);
        _replica = new ShardReplica(state, new ReplicaId(1), Sample.Version(0), Ranks, _pool, _seals.Add);
    }

    public void Dispose()
    {
        _replica.Dispose();
        Assert.Equal(0, _pool.Outstanding);
        _pool.Dispose();
    }

    private void Contribute(Attempt attempt, float value, params int[] ranks)
    {
        foreach (int rank in ranks) _replica.Contribute(Sample.Version(0), new RankRange(rank, rank + 1), Enumerable.Repeat(value, _length).ToArray(), marker: false, attempt);
    }

    private static ApplyStep Decision(Attempt attempt) => new(new Term(1), Sample.Version(0), Sample.Version(1), Sample.Commit(1), 1f, 0.1f, 0.05f, 0, false, []) { Attempt = attempt };

    [Fact]
    public void A_later_attempt_takes_nothing_of_an_earlier_one()
    {
        Contribute(First, 1f, 0, 1, 2);
        Contribute(Second, 2f, 3);
        Assert.Empty(_seals);
        Contribute(Second, 2f, 0, 1, 2);
        var seal = Assert.Single(_seals);
        Assert.Equal((Second, 64.0 * _length), (seal.Attempt, seal.SumOfSquares));
    }

    [Fact]
    public void What_comes_late_of_an_earlier_attempt_is_dropped_whatever_it_says()
    {
        Contribute(Second, 2f, 0, 1);
        Contribute(First, 1f, 0, 1, 2, 3);
        Assert.Empty(_seals);
        Contribute(Second, 2f, 2, 3);
        Assert.Equal(Second, Assert.Single(_seals).Attempt);
    }

    [Fact]
    public void A_sealed_sum_goes_when_a_successor_makes_an_attempt_of_its_own()
    {
        Contribute(First, 1f, 0, 1, 2, 3);
        Assert.NotNull(_replica.Seal);
        Contribute(Successors, 2f, 0);
        Assert.Null(_replica.Seal);
        Contribute(Successors, 2f, 1, 2, 3);
        Assert.Equal([First, Successors], _seals.Select(s => s.Attempt));
        Assert.True(Successors > Second);
    }

    [Fact]
    public void A_decision_is_applied_with_the_sum_of_its_attempt_only()
    {
        Contribute(Second, 1f, 0, 1, 2, 3);
        Assert.Throws<InvalidOperationException>(() => _replica.Apply(Decision(First)));
        Assert.Equal(Sample.Version(0), _replica.Applied);
        _replica.Apply(Decision(Second));
        Assert.Equal(Sample.Version(1), _replica.Applied);
    }

    [Fact]
    public async Task A_sibling_gets_the_sum_of_the_attempt_that_was_decided()
    {
        Contribute(Second, 1f, 0, 1, 2, 3);
        await Assert.ThrowsAsync<DataPlaneRefusedException>(() => _replica.BorrowGradientAsync(Sample.Version(0), First, default));
        var (sum, _, release) = await _replica.BorrowGradientAsync(Sample.Version(0), Second, default);
        Assert.Equal(4f, sum.Span[0]);
        release();
        Assert.False(_replica.BorrowGradientAsync(Sample.Version(0), Successors, new CancellationTokenSource(TimeSpan.FromSeconds(1)).Token).IsCompleted);
    }

    [Fact]
    public void The_sum_of_a_step_ahead_is_of_one_attempt_as_well()
    {
        Contribute(First, 1f, 0, 1, 2, 3);
        float[] ones = [.. Enumerable.Repeat(1f, _length)], twos = [.. Enumerable.Repeat(2f, _length)];
        for (int rank = 0; rank < Ranks; rank++) _replica.Contribute(Sample.Version(1), new RankRange(rank, rank + 1), ones, false, Second);
        for (int rank = 0; rank < Ranks; rank++) _replica.Contribute(Sample.Version(1), new RankRange(rank, rank + 1), twos, false, Second.Next);
        _replica.Contribute(Sample.Version(1), new RankRange(0, 1), ones, false, Second);
        _replica.Apply(Decision(First));
        Assert.Equal((Second.Next, 64.0 * _length), (_seals[^1].Attempt, _seals[^1].SumOfSquares));
    }
}
