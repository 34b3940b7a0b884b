using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using FsCheck.Xunit;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class StepProgressTests
{
    private static readonly Lineage Input = Sample.Version(4);

    private static RanksCompleted Completed(long grant, RankRange ranks) =>
        new(new Term(1), grant, Input, ranks, [.. Enumerable.Range(ranks.Lo, ranks.Count).Select(Outcome)]);

    private static RankOutcome Outcome(int rank) => new(rank * 1.5, rank + 1, [rank]);

    private static ReplicaId Replica(int shard, int copy) => new((shard * 10) + copy + 1);

    private static GradientSealed Seal(int shard, int copy = 0) => new(new ShardId(shard), Replica(shard, copy), Input, shard, true, (UInt128)shard);

    /// <summary>A step with so many replicas of each shard.</summary>
    private static StepProgress Progress(int ranks, int prefix, bool[] needs, int copies = 1) => new(
        Input, ranks, prefix, needs,
        from shard in Enumerable.Range(0, needs.Length)
        from copy in Enumerable.Range(0, copies)
        select KeyValuePair.Create(Replica(shard, copy), new ShardId(shard)));

    [Property(MaxTest = 300)]
    public void Any_order_of_grants_completions_failures_losses_and_seals_ends_with_the_same_outcomes(int seed)
    {
        var random = new Random(seed);
        int ranks = random.Next(1, 30), shards = random.Next(1, 8), copies = random.Next(1, 4);
        bool[] needs = [.. Enumerable.Range(0, shards).Select(_ => random.Next(4) > 0)];
        var progress = Progress(ranks, 0, needs, copies);
        var known = new List<(long Grant, RankRange Ranks)>();
        var awaited = Enumerable.Range(0, shards).Where(s => needs[s]).SelectMany(s => Enumerable.Range(0, copies).Select(c => Replica(s, c))).ToHashSet();
        bool[] sealedShards = new bool[shards];
        long grant = 0;
        for (int turn = 0; !progress.IsComplete; turn++)
        {
            Assert.True(turn < 20_000, "no progress");
            int shard = random.Next(shards), copy = random.Next(copies);
            switch (random.Next(6))
            {
                case 0 when progress.Grant(grant + 1, random.Next(1, ranks + 1)) is { } range:
                    Assert.True(ReductionTree.IsBlock(range, ranks));
                    known.Add((++grant, range));
                    break;
                // Any grant that there ever was: also twice, also after it was taken back.
                case 1 when known.Count > 0:
                    var done = known[random.Next(known.Count)];
                    progress.Complete(Completed(done.Grant, done.Ranks));
                    break;
                case 2 when known.Count > 0:
                    progress.Requeue(known[random.Next(known.Count)].Grant);
                    break;
                case 3:
                    Assert.Null(progress.Seal(Seal(shard, copy)));
                    awaited.Remove(Replica(shard, copy));
                    sealedShards[shard] = true;
                    break;
                // The first copy never leaves: a shard keeps a replica.
                case 4 when copy > 0:
                    progress.Forget(Replica(shard, copy));
                    awaited.Remove(Replica(shard, copy));
                    break;
                default:
                    Assert.Equal(awaited.OrderBy(r => r.Value), progress.Awaited);
                    Assert.Equal(Enumerable.Range(0, shards).All(s => !needs[s] || sealedShards[s]), progress.IsCovered);
                    break;
            }
        }
        Assert.Equal(0, progress.Queued);
        Assert.Empty(awaited);
        Assert.Equal(Enumerable.Range(0, ranks).Select(r => Outcome(r).LossSum), progress.Outcomes.Select(o => o.LossSum));
        Assert.Equal(Enumerable.Range(0, shards).Where(s => needs[s]), progress.Seals.Select(s => s.Shard.Value));
        Assert.Null(progress.Grant(grant + 1, ranks));
    }

    [Property(MaxTest = 200)]
    public void No_two_grants_overlap_unless_one_was_taken_back(int seed)
    {
        var random = new Random(seed);
        int ranks = random.Next(1, 40);
        var progress = Progress(ranks, 0, [true]);
        int[] owners = new int[ranks];
        for (long grant = 1; progress.Grant(grant, random.Next(1, 8)) is { } range; grant++)
        {
            for (int rank = range.Lo; rank < range.Hi; rank++) Assert.Equal(1, ++owners[rank]);
            if (random.Next(3) != 0) continue;
            progress.Requeue(grant);
            for (int rank = range.Lo; rank < range.Hi; rank++) owners[rank]--;
        }
        Assert.All(owners, owner => Assert.Equal(1, owner));
    }

    [Fact]
    public void Ranks_finished_by_another_copy_are_not_queued_again()
    {
        var progress = Progress(4, 0, [true]);
        Assert.Equal(new RankRange(0, 4), progress.Grant(1, 4));
        progress.Complete(Completed(99, new RankRange(0, 2)));
        progress.Requeue(1);
        Assert.Equal(2, progress.Queued);
        Assert.Equal(new RankRange(2, 4), progress.Grant(2, 4));
    }

    [Fact]
    public void A_replica_that_seals_twice_with_different_bits_contradicts_itself()
    {
        var progress = Progress(1, 0, [true, false], copies: 2);
        Assert.Null(progress.Seal(Seal(0)));
        Assert.Null(progress.Seal(Seal(0)));
        Assert.True(progress.Seal(Seal(0) with { GradientDigest = 77 })!.IsSelfContradiction);
    }

    [Fact]
    public void Siblings_must_agree_on_the_gradient_and_on_the_state_that_they_started_from()
    {
        var progress = Progress(1, 0, [true], copies: 4);
        Assert.Null(progress.Seal(Seal(0, 0) with { StateChecksum = 5 }));
        Assert.Null(progress.Seal(Seal(0, 1)));
        var conflict = progress.Seal(Seal(0, 2) with { StateChecksum = 6 })!;
        Assert.False(conflict.IsSelfContradiction);
        Assert.Equal((Replica(0, 0), Replica(0, 2)), (conflict.First.Replica, conflict.Second.Replica));
        Assert.NotNull(progress.Seal(Seal(0, 3) with { GradientDigest = 77, StateChecksum = 5 }));
        Assert.Equal([Replica(0, 2), Replica(0, 3)], progress.Awaited);
    }

    [Fact]
    public void A_step_waits_for_every_replica_but_for_those_that_left()
    {
        var progress = Progress(1, 0, [true], copies: 2);
        progress.Complete(Completed(1, new RankRange(0, 1)));
        progress.Seal(Seal(0, 0));
        Assert.True(progress.IsCovered);
        Assert.False(progress.IsComplete);
        progress.Forget(Replica(0, 1));
        Assert.True(progress.IsComplete);
    }

    [Fact]
    public void A_shard_whose_last_sum_left_with_its_replica_is_not_covered()
    {
        var progress = Progress(1, 0, [true, true]);
        progress.Complete(Completed(1, new RankRange(0, 1)));
        progress.Seal(Seal(0));
        progress.Forget(Replica(1, 0));
        Assert.False(progress.IsComplete);
    }

    [Fact]
    public void A_frozen_shard_is_not_awaited()
    {
        var progress = Progress(1, 2, [false, true]);
        Assert.Null(progress.Seal(Seal(0)));
        Assert.Equal([Replica(1, 0)], progress.Awaited);
        progress.Seal(Seal(1));
        Assert.False(progress.IsComplete);
        progress.Complete(Completed(1, new RankRange(0, 1)));
        Assert.True(progress.IsComplete);
        Assert.Single(progress.Seals);
    }
}
