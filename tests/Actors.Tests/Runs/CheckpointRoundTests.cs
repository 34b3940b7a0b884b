using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class CheckpointRoundTests
{
    private static BlobWritten Blob(int shard) => new(Sample.Version(10), new ShardId(shard), Digest256.Of($"blob {shard}"), 100 + shard);

    [Fact]
    public void The_last_blob_completes_it_once_in_any_order_and_with_duplicates()
    {
        var round = new CheckpointRound(Sample.Version(10), 9, 3, DateTime.UnixEpoch);
        Assert.Equal([false, false, false, true, false], new[] { 2, 2, 0, 1, 1 }.Select(s => round.Add(Blob(s), DateTime.UnixEpoch)));
        Assert.Empty(round.Missing);
        var manifest = round.Manifest(Digest256.Of("plan"));
        Assert.Equal([0, 1, 2], manifest.Blobs.Select(b => b.Shard.Value));
        Assert.Equal((Sample.Version(10), 9L), (manifest.Version, manifest.OptimizerStep));
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        var round = new CheckpointRound(Sample.Version(10), 9, 3, DateTime.UnixEpoch);
        round.Add(Blob(1), DateTime.UnixEpoch);
        Assert.False(round.IsComplete);
        Assert.Equal([new ShardId(0), new ShardId(2)], round.Missing);
    }
}
