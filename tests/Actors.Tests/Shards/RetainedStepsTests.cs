using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using static ElasticTrain.Actors.Tests.Shards.ShardReplicaTests;

namespace ElasticTrain.Actors.Tests.Shards;

/// <summary>What a replica keeps for those who follow it, and for how long.</summary>
public sealed class RetainedStepsTests : IDisposable
{
    private readonly BufferPool _pool = new();
    private readonly ManualTime _time = new();
    private readonly ShardReplica _replica;
    private long _step;

    public RetainedStepsTests()
    {
        var state = new ShardState(Layout, Shard.Id, Optimizer);
        state.Initialize(1);
        _replica = new ShardReplica(state, new ReplicaId(5), Sample.Version(0), Ranks, _pool, _ => { }, _time);
    }

    public void Dispose()
    {
        _replica.Dispose();
        Assert.Equal(0, _pool.Outstanding);
        _pool.Dispose();
    }

    private void Steps(int count)
    {
        for (int i = 0; i < count; i++)
        {
            ContributeAll(_replica, ++_step);
            _replica.Apply(Decision(_step));
        }
    }

    private async Task<int[]> GradientAsync(long step)
    {
        var (sum, digest, release) = await _replica.BorrowGradientAsync(Sample.Version(step - 1), default, default).WaitAsync(TimeSpan.FromSeconds(30));
        int[] bits = Bits(sum.Span);
        Assert.Equal(Summation.Digest(sum.Span), digest);
        release();
        return bits;
    }

    [Fact]
    public void Nothing_is_kept_while_nobody_follows()
    {
        Steps(3);
        Assert.Equal((0, 0), (_replica.RetainedStepCount, _pool.Outstanding));
        Assert.Null(_replica.StepAfter(Sample.Version(1)));
    }

    [Fact]
    public async Task From_the_copy_on_every_decision_and_its_sum_can_be_had()
    {
        Steps(2);
        var (state, version, release) = _replica.CopyState();
        state.Dispose();
        Assert.Equal(Sample.Version(2), version);
        ContributeAll(_replica, 3);
        int[] before = await GradientAsync(3);
        Steps(2);
        release();
        Assert.Equal(before, await GradientAsync(3));
        Assert.Equal((Sample.Version(3), Sample.Version(4)), (_replica.StepAfter(Sample.Version(2))!.Output, _replica.StepAfter(Sample.Version(3))!.Output));
        Assert.Equal(2, _replica.RetainedStepCount);
        var refusal = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => GradientAsync(2));
        Assert.Contains(Sample.Version(1).ToString(), refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sum_that_is_not_complete_is_waited_for_also_from_the_version_before()
    {
        var waiting = _replica.BorrowGradientAsync(Sample.Version(1), default, default);
        Steps(1);
        Assert.False(waiting.IsCompleted);
        ContributeAll(_replica, 2);
        var (_, digest, release) = await waiting.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(_replica.Seal!.GradientDigest, digest);
        release();
    }

    [Fact]
    public async Task A_borrowed_sum_outlives_its_step_and_its_replica()
    {
        ContributeAll(_replica, 1);
        var (sum, digest, release) = await _replica.BorrowGradientAsync(Sample.Version(0), default, default);
        _replica.Apply(Decision(1));
        _replica.Dispose();
        Assert.Equal(digest, Summation.Digest(sum.Span));
        Assert.Equal(1, _pool.Outstanding);
        release();
    }

    [Fact]
    public void After_ten_seconds_without_a_question_everything_is_dropped()
    {
        _replica.StepAfter(Sample.Version(0));
        Steps(3);
        _time.Advance(TimeSpan.FromSeconds(9));
        _replica.StepAfter(Sample.Version(0));
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal((3, 3), (_replica.RetainedStepCount, _pool.Outstanding));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((0, 0), (_replica.RetainedStepCount, _pool.Outstanding));
        Steps(1);
        Assert.Equal(0, _replica.RetainedStepCount);
    }

    [Fact]
    public void A_copy_that_takes_long_is_waited_for()
    {
        var (state, _, release) = _replica.CopyState();
        state.Dispose();
        Steps(2);
        for (int i = 0; i < 5; i++) _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(2, _replica.RetainedStepCount);
        release();
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0, _replica.RetainedStepCount);
    }

    [Fact]
    public void Steps_and_bytes_are_bounded()
    {
        _replica.StepAfter(Sample.Version(0));
        for (int i = 0; i < RetainedSteps.MostSteps + 10; i++) _replica.Apply(Decision(++_step, frozenPrefix: Shard.Layer + 1));
        Assert.Equal(RetainedSteps.MostSteps, _replica.RetainedStepCount);
        Assert.Null(_replica.StepAfter(Sample.Version(9)));
        Assert.NotNull(_replica.StepAfter(Sample.Version(10)));

        using var large = new RetainedSteps(new Lock(), RetainedSteps.MostBytes, _time);
        large.Touch();
        for (long step = 1; step <= 5; step++)
        {
            var round = new ReplicaRound(Sample.Version(step - 1), default, new TreeReducer(Ranks, 1, _pool));
            round.Reducer.Contribute(new RankRange(0, Ranks), [1f]);
            large.Add(Decision(step), round);
            round.Retire();
        }
        Assert.Equal((RetainedSteps.FewestSteps, RetainedSteps.FewestSteps), (large.Count, (int)_pool.Outstanding));
        Assert.NotNull(large.After(Sample.Version(4)));
    }
}

/// <summary>A clock that the test moves.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly List<Alarm> _alarms = [];
    private TimeSpan _now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var alarm = new Alarm(this, callback, state);
        alarm.Change(dueTime, period);
        _alarms.Add(alarm);
        return alarm;
    }

    public void Advance(TimeSpan by)
    {
        _now += by;
        foreach (var alarm in _alarms.ToArray()) alarm.RingIfDue();
    }

    private sealed class Alarm(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan? _due;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _due = dueTime == Timeout.InfiniteTimeSpan ? null : time._now + dueTime;
            return true;
        }

        public void RingIfDue()
        {
            if (_due is not { } due || due > time._now) return;
            _due = null;
            callback(state);
        }

        public void Dispose() => time._alarms.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
