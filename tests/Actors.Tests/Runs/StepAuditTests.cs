using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using FsCheck.Xunit;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class StepAuditTests
{
    private const ulong Right = 1, Wrong = 2;

    private static readonly DeviceId A = new("node-1", "device-0"), SiblingOfA = new("node-1", "device-1"), B = new("node-2", "device-0"), C = new("node-3", "device-0");

    private readonly StepAudit _audit = new([2]);
    private long _grant;

    /// <summary>A device computes rank 2 for the sums.</summary>
    private void Contribute(DeviceId device, ulong answer)
    {
        _audit.Granted(++_grant, device, new RankRange(0, 4));
        Report(_grant, new RankRange(0, 4), answer, isAudit: false);
    }

    /// <summary>A device computes rank 2 to compare it, if it is asked to.</summary>
    private bool Audit(DeviceId device, ulong answer, params DeviceId[] available)
    {
        if (_audit.GrantAudit(++_grant, device, available) is not { } range) return false;
        Assert.Equal(new RankRange(2, 3), range);
        Report(_grant, range, answer, isAudit: true);
        return true;
    }

    private void Report(long grant, RankRange ranks, ulong answer, bool isAudit) => _audit.Complete(new RanksCompleted(
        new Term(1), grant, default, ranks, [.. Enumerable.Range(ranks.Lo, ranks.Count).Select(r => new RankOutcome(r, r, []))])
    {
        IsAudit = isAudit,
        Checksums = [new RankChecksums(2, [answer])],
    });

    private (DeviceId Device, int Number)[] Named() => [.. _audit.TakeFindings().Select(f => (f.Odd.Device, f.Odd.Number))];

    [Fact]
    public void Ranks_are_drawn_by_seed_step_and_rank_alone_and_as_many_as_the_share_says()
    {
        Assert.Equal(StepAudit.Drawn(7, new Step(3), 64, 0.3), StepAudit.Drawn(7, new Step(3), 64, 0.3));
        Assert.NotEqual(StepAudit.Drawn(7, new Step(3), 64, 0.3), StepAudit.Drawn(7, new Step(4), 64, 0.3));
        Assert.NotEqual(StepAudit.Drawn(7, new Step(3), 64, 0.3), StepAudit.Drawn(8, new Step(3), 64, 0.3));
        // A larger share audits what a smaller one does, and more.
        Assert.Subset(StepAudit.Drawn(7, new Step(3), 64, 0.3).ToHashSet(), StepAudit.Drawn(7, new Step(3), 64, 0.1).ToHashSet());
        Assert.Equal((0, 64), (StepAudit.Drawn(7, new Step(3), 64, 0).Count, StepAudit.Drawn(7, new Step(3), 64, 1).Count));
        Assert.InRange(Enumerable.Range(1, 1000).Sum(step => StepAudit.Drawn(7, new Step(step), 64, 0.01).Count), 500, 780);
    }

    [Fact]
    public void Without_audited_ranks_everything_is_settled()
    {
        var none = new StepAudit([]);
        none.Granted(1, A, new RankRange(0, 4));
        Assert.True(none.IsSettled);
        Assert.Null(none.GrantAudit(2, B, [A, B]));
    }

    [Fact]
    public void A_rank_is_computed_again_by_another_node_as_soon_as_it_is_granted()
    {
        Assert.False(Audit(B, Right, A, B));
        _audit.Granted(++_grant, A, new RankRange(0, 4));
        Assert.Null(_audit.GrantAudit(99, A, [A, B]));
        Assert.Null(_audit.GrantAudit(99, SiblingOfA, [A, SiblingOfA, B]));
        long first = _grant;
        Assert.True(Audit(B, Right, A, SiblingOfA, B));
        Assert.False(_audit.IsSettled);
        Report(first, new RankRange(0, 4), Right, isAudit: false);
        Assert.True(_audit.IsSettled);
        Assert.Empty(Named());
    }

    [Fact]
    public void The_second_device_of_the_same_node_is_better_than_the_same_device_which_is_better_than_none()
    {
        Contribute(A, Right);
        Assert.Null(_audit.GrantAudit(99, A, [A, SiblingOfA]));
        Assert.True(Audit(SiblingOfA, Right, A, SiblingOfA));
        Assert.True(_audit.IsSettled);

        var alone = new StepAuditTests();
        alone.Contribute(A, Right);
        Assert.True(alone.Audit(A, Right, A));
        Assert.True(alone._audit.IsSettled);
    }

    [Fact]
    public void A_second_computation_is_asked_for_once_and_again_when_it_is_taken_back()
    {
        Contribute(A, Right);
        Assert.NotNull(_audit.GrantAudit(10, B, [A, B, C]));
        Assert.Null(_audit.GrantAudit(11, C, [A, B, C]));
        _audit.Withdraw(10);
        Assert.NotNull(_audit.GrantAudit(12, C, [A, B, C]));
        // The one that was taken back counts all the same.
        Report(10, new RankRange(2, 3), Right, isAudit: true);
        Assert.True(_audit.IsSettled);
        Report(10, new RankRange(2, 3), Wrong, isAudit: true);
        Assert.Equal(2, _audit.Of(2).Count);
    }

    [Fact]
    public void Of_three_devices_two_outvote_the_one_that_contributed()
    {
        Contribute(A, Wrong);
        Assert.True(Audit(B, Right, A, B, C));
        Assert.False(_audit.IsSettled || _audit.IsSumWrong);
        Assert.Empty(Named());
        Assert.False(Audit(A, Right, A, B, C));
        Assert.True(Audit(C, Right, A, B, C));
        Assert.True(_audit.IsSumWrong);
        Assert.False(_audit.IsSettled);
        Assert.Equal([(A, 0)], Named());
        Assert.Empty(Named());
    }

    [Fact]
    public void Of_three_devices_two_outvote_the_one_that_audited_and_the_sums_stand()
    {
        Contribute(A, Right);
        Audit(B, Wrong, A, B, C);
        Audit(C, Right, A, B, C);
        Assert.True(_audit.IsSettled);
        Assert.Equal([(B, 1)], Named());
    }

    [Fact]
    public void Of_two_devices_the_one_that_contradicts_itself_is_wrong()
    {
        Contribute(A, Wrong);
        Audit(B, Right, A, B);
        Audit(B, Right, A, B);
        Assert.False(_audit.IsSumWrong);
        Assert.False(Audit(B, Right, A, B));
        Audit(A, Right, A, B);
        Assert.Equal([(A, 0)], Named());

        var erratic = new StepAuditTests();
        erratic.Contribute(A, Right);
        erratic.Audit(B, Wrong, A, B);
        erratic.Audit(B, 3, A, B);
        erratic.Audit(A, Right, A, B);
        Assert.Equal([(B, 1), (B, 2)], erratic.Named());
        Assert.True(erratic._audit.IsSettled);
    }

    [Fact]
    public void Of_two_devices_that_stand_by_what_they_say_nobody_knows_which_is_right_until_a_third_comes()
    {
        Contribute(A, Wrong);
        Audit(B, Right, A, B);
        Assert.Null(_audit.Undecidable([A, B]));
        Audit(A, Wrong, A, B);
        Audit(B, Right, A, B);
        Assert.Equal(2, _audit.Undecidable([A, B]));
        Assert.Equal([(A, B), (B, A)], _audit.Differences(2).Select(f => (f.Odd.Device, f.Expected.Device)));
        Assert.Null(_audit.Undecidable([A, B, C]));
        Assert.True(Audit(C, Right, A, B, C));
        Assert.Equal([(A, 0), (A, 2)], Named());
    }

    [Fact]
    public void A_device_that_is_asked_in_vain_is_not_waited_for_for_ever()
    {
        Contribute(A, Right);
        for (int i = 0; i < 3; i++)
        {
            Assert.NotNull(_audit.GrantAudit(++_grant, B, [A, B]));
            _audit.Withdraw(_grant);
            Assert.Equal(i == 2, _audit.GrantAudit(++_grant, A, [A, B]) is not null);
        }
        Report(_grant, new RankRange(2, 3), Right, isAudit: true);
        Assert.True(_audit.IsSettled);
    }

    [Fact]
    public void A_device_of_a_node_that_has_not_computed_the_rank_takes_it_without_a_look_at_others()
    {
        Contribute(A, Right);
        Assert.Null(_audit.GrantFresh(++_grant, A));
        Assert.Null(_audit.GrantFresh(++_grant, SiblingOfA));
        Assert.Equal(new RankRange(2, 3), _audit.GrantFresh(++_grant, B));
        Assert.False(_audit.HasOpen);
    }

    [Fact]
    public void A_device_alone_has_the_majority_of_its_own()
    {
        Contribute(A, Wrong);
        Audit(A, Right, A);
        Audit(A, Right, A);
        Assert.True(_audit.IsSumWrong);
        Assert.Equal([(A, 0)], Named());

        var hopeless = new StepAuditTests();
        hopeless.Contribute(A, 1);
        for (ulong answer = 2; hopeless.Audit(A, answer, A); answer++) Assert.InRange(answer, 2UL, 20UL);
        Assert.Equal(2, hopeless._audit.Undecidable([A]));
    }

    [Fact]
    public void What_a_rank_reports_besides_its_gradient_is_compared_too()
    {
        Contribute(A, Right);
        Assert.NotNull(_audit.GrantAudit(50, B, [A, B]));
        _audit.Complete(new RanksCompleted(new Term(1), 50, default, new RankRange(2, 3), [new RankOutcome(2, 2, []) { BalanceLoss = 1 }]) { IsAudit = true, Checksums = [new RankChecksums(2, [Right])] });
        Assert.False(_audit.IsSettled);
    }

    [Fact]
    public void What_was_contributed_later_by_somebody_else_is_judged_as_well()
    {
        Contribute(A, Right);
        Audit(B, Right, A, B, C);
        Assert.True(_audit.IsSettled);
        Contribute(C, Wrong);
        Assert.True(_audit.IsSumWrong);
        Assert.Equal([(C, 2)], Named());
    }

    [Fact]
    public void A_block_with_an_audited_rank_is_granted_again_as_it_was()
    {
        var progress = new StepProgress(Sample.Version(0), 8, 0, [true], []) { Audit = new StepAudit([5]) };
        Assert.Equal(new RankRange(0, 4), progress.Grant(1, 4));
        Assert.Equal(new RankRange(4, 8), progress.Grant(2, 4));
        progress.Requeue(1);
        progress.Requeue(2);
        Assert.Equal(new RankRange(0, 1), progress.Grant(3, 1));
        Assert.Equal(new RankRange(1, 2), progress.Grant(4, 1));
        progress.Requeue(3);
        progress.Requeue(4);
        Assert.Equal(new RankRange(0, 4), progress.Grant(5, 8));
        Assert.Equal(new RankRange(4, 8), progress.Grant(6, 1));
        Assert.Null(progress.Grant(7, 8));
    }

    [Property(MaxTest = 300)]
    public void As_long_as_more_devices_are_right_than_wrong_in_one_way_the_right_bits_win(int seed)
    {
        var random = new Random(seed);
        DeviceId[] devices = [.. Enumerable.Range(1, random.Next(3, 7)).Select(i => new DeviceId($"node-{i}", "device-0"))];
        var bad = devices[random.Next(devices.Length)];
        bool isErratic = random.Next(2) == 0;
        ulong answers = 10;
        var first = devices[random.Next(devices.Length)];
        var of = new StepAuditTests();
        of.Contribute(first, Of(first));
        for (int turn = 0; !of._audit.IsSettled && !of._audit.IsSumWrong; turn++)
        {
            Assert.True(turn < 1000, "no progress");
            var idle = devices[random.Next(devices.Length)];
            of.Audit(idle, Of(idle), devices);
            Assert.Null(of._audit.Undecidable(devices));
        }
        Assert.Equal(first == bad, of._audit.IsSumWrong);
        Assert.All(of.Named(), n => Assert.Equal(bad, n.Device));

        ulong Of(DeviceId device) => device != bad ? Right : isErratic ? answers++ : Wrong;
    }
}
