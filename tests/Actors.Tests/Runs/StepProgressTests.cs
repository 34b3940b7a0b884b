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

    private static GradientSealed Seal(int shard) => new(new ShardId(shard), new ReplicaId(1), Input, shard, true, (UInt128)shard);

    [Property(MaxTest = 300)]
    public void Any_order_of_grants_completions_failures_and_seals_ends_with_the_same_outcomes(int seed)
    {
        var random = new Random(seed);
        int ranks = random.Next(1, 30), shards = random.Next(1, 8);
        bool[] needs = [.. Enumerable.Range(0, shards).Select(_ => random.Next(4) > 0)];
        var progress = new StepProgress(Input, ranks, 0, needs);
        var known = new List<(long Grant, RankRange Ranks)>();
        var toSeal = Enumerable.Range(0, shards).ToList();
        long grant = 0;
        for (int turn = 0; !progress.IsComplete; turn++)
        {
            Assert.True(turn < 10_000, "no progress");
            switch (random.Next(5))
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
                    int shard = random.Next(shards);
                    Assert.Null(progress.Seal(Seal(shard)));
                    toSeal.Remove(shard);
                    break;
                default:
                    Assert.Equal(toSeal.Where(s => needs[s]).Select(s => new ShardId(s)), progress.Unsealed);
                    break;
            }
        }
        Assert.Equal(0, progress.Queued);
        Assert.Equal(Enumerable.Range(0, ranks).Select(r => Outcome(r).LossSum), progress.Outcomes.Select(o => o.LossSum));
        Assert.Equal(Enumerable.Range(0, shards).Where(s => needs[s]), progress.Seals.Select(s => s.Shard.Value));
        Assert.Null(progress.Grant(grant + 1, ranks));
    }

    [Property(MaxTest = 200)]
    public void No_two_grants_overlap_unless_one_was_taken_back(int seed)
    {
        var random = new Random(seed);
        int ranks = random.Next(1, 40);
        var progress = new StepProgress(Input, ranks, 0, [true]);
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
        var progress = new StepProgress(Input, 4, 0, [true]);
        Assert.Equal(new RankRange(0, 4), progress.Grant(1, 4));
        progress.Complete(Completed(99, new RankRange(0, 2)));
        progress.Requeue(1);
        Assert.Equal(2, progress.Queued);
        Assert.Equal(new RankRange(2, 4), progress.Grant(2, 4));
    }

    [Fact]
    public void A_shard_that_seals_twice_with_different_bits_is_a_contradiction()
    {
        var progress = new StepProgress(Input, 1, 0, [true, false]);
        Assert.Null(progress.Seal(Seal(0)));
        Assert.Null(progress.Seal(Seal(0)));
        Assert.Contains("sealed step 5 twice", progress.Seal(Seal(0) with { GradientDigest = 77 })!, StringComparison.Ordinal);
    }

    [Fact]
    public void A_frozen_shard_is_not_awaited()
    {
        var progress = new StepProgress(Input, 1, 2, [false, true]);
        Assert.False(progress.Awaits(new ShardId(0)));
        Assert.Null(progress.Seal(Seal(0)));
        Assert.Equal([new ShardId(1)], progress.Unsealed);
        progress.Seal(Seal(1));
        Assert.False(progress.IsComplete);
        progress.Complete(Completed(1, new RankRange(0, 1)));
        Assert.True(progress.IsComplete);
        Assert.Single(progress.Seals);
    }
}
