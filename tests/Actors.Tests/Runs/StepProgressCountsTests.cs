using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using FsCheck.Xunit;

namespace ElasticTrain.Actors.Tests.Runs;

/// <summary>A step keeps count instead of looking at all of its ranks and seals: the counts are those of a look at all.</summary>
public sealed class StepProgressCountsTests
{
    /// <summary>A block with an audited rank is granted again as it was, whatever of it others have done meanwhile.</summary>
    [Fact]
    public void A_whole_block_is_granted_again_with_ranks_that_are_done()
    {
        var progress = new StepProgress(Sample.Version(4), 8, 0, [true], [KeyValuePair.Create(new ReplicaId(1), new ShardId(0))]) { Audit = new StepAudit([7]) };
        foreach (long grant in (long[])[1, 2]) Assert.Equal(1, progress.Grant(grant, 1)!.Value.Count);
        progress.Requeue(1);
        progress.Requeue(2);
        Assert.Equal(new RankRange(0, 8), progress.Grant(3, 8));
        progress.Complete(Done(new RankRange(0, 1), grant: 1));
        progress.Complete(Done(new RankRange(1, 2), grant: 2));
        progress.Requeue(3);
        Assert.Equal(6, progress.Queued);
        Assert.Equal(new RankRange(0, 8), progress.Grant(4, 1));
        Assert.Equal(0, progress.Queued);
        Assert.False(progress.AllRanksDone);
        progress.Complete(Done(new RankRange(0, 8), grant: 4));
        Assert.True(progress.AllRanksDone);
    }

    private static RanksCompleted Done(RankRange ranks, long grant) =>
        new(new Term(1), grant, Sample.Version(4), ranks, [.. Enumerable.Range(ranks.Lo, ranks.Count).Select(_ => new RankOutcome(0, 1, []))]);

    private enum Rank { Queued, Granted, Done }

    [Property(MaxTest = 300)]
    public void Ranks_queued_are_counted_and_the_first_of_them_is_granted_next(int seed)
    {
        var random = new Random(seed);
        var model = new Rank[random.Next(1, 40)];
        var progress = new StepProgress(Sample.Version(4), model.Length, 0, [true], [KeyValuePair.Create(new ReplicaId(1), new ShardId(0))]);
        var open = new Dictionary<long, RankRange>();
        for (long grant = 1; grant < 200; grant++)
        {
            switch (random.Next(5))
            {
                case 0 or 1:
                    var range = progress.Grant(grant, random.Next(1, 9));
                    Assert.Equal(Array.IndexOf(model, Rank.Queued), range?.Lo ?? -1);
                    if (range is not { } granted) break;
                    Assert.All(model[granted.Lo..granted.Hi], r => Assert.Equal(Rank.Queued, r));
                    Array.Fill(model, Rank.Granted, granted.Lo, granted.Count);
                    open.Add(grant, granted);
                    break;
                case 2 when open.Count > 0:
                    var (taken, back) = open.ElementAt(random.Next(open.Count));
                    progress.Requeue(taken);
                    open.Remove(taken);
                    for (int i = back.Lo; i < back.Hi; i++)
                        if (model[i] == Rank.Granted) model[i] = Rank.Queued;
                    break;
                case 3:
                    // Anybody's result, also one of a grant that was taken back.
                    int lo = random.Next(model.Length), hi = random.Next(lo, model.Length) + 1;
                    progress.Complete(Done(new RankRange(lo, hi), -grant));
                    Array.Fill(model, Rank.Done, lo, hi - lo);
                    break;
                default: break;
            }
            Assert.Equal(model.Count(r => r == Rank.Queued), progress.Queued);
            Assert.Equal(model.All(r => r == Rank.Done), progress.AllRanksDone);
        }
    }
}
