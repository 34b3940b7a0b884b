using Akka.Actor;
using Akka.Event;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>
/// Streams copies of replicas to storage on a thread of its own, one file at a time, while the step loop goes on. A file that cannot be
/// written fails its checkpoint, never the run.
/// </summary>
public sealed class CheckpointWriter : ReceiveActor
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CheckpointStore _store;

    /// <summary>One per worker node, on a pinned dispatcher: it blocks on the disk.</summary>
    public CheckpointWriter(CheckpointStore store)
    {
        _store = store;
        Receive<WriteBlob>(OnBlob);
        Receive<WriteManifest>(m => Report(m.ReplyTo, m.Manifest.Version, new ShardId(-1), () =>
        {
            _store.WriteManifest(m.Manifest);
            return new ManifestWritten(m.Manifest.Version, m.Manifest.StateDigest);
        }));
        Receive<CollectCheckpoints>(OnCollect);
    }

    private void OnBlob(WriteBlob message)
    {
        using (message.Parameters)
        using (message.Moment1)
        using (message.Moment2)
            Report(message.ReplyTo, message.Version, message.Shard, () =>
            {
                var blob = _store.WriteBlob(message.Shard, message.Parameters, message.Moment1, message.Moment2);
                return new BlobWritten(message.Version, message.Shard, blob.Hash, blob.Bytes);
            });
    }

    private void OnCollect(CollectCheckpoints message)
    {
        try
        {
            var manifests = _store.Manifests(out _);
            _store.Collect(manifests.Where(m => message.Sealed.Contains(m.Version)).ToList());
        }
        catch (IOException error)
        {
            _log.Warning(error, "old checkpoints could not be removed");
        }
    }

    private void Report(IActorRef replyTo, Lineage version, ShardId shard, Func<object> write)
    {
        try
        {
            replyTo.Tell(write());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ElasticTrainException)
        {
            // The coordinator tells the user, once for all shards.
            _log.Info("{0} of step {1} could not be written: {2}", shard.Value < 0 ? "the manifest" : shard.ToString(), version.Step, error.Message);
            replyTo.Tell(new BlobFailed(version, shard, error.Message));
        }
    }
}
