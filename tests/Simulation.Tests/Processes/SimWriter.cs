using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Engine;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>A process's checkpoint writer: one file after another.</summary>
public sealed class SimWriter
{
    private readonly SimProcess _process;
    private TimeSpan _busyUntil;

    /// <summary>One per process.</summary>
    public SimWriter(SimProcess process)
    {
        _process = process;
        Ref = new SimRef(process, "writer", OnMessage);
    }

    /// <summary>Its address.</summary>
    public SimRef Ref { get; }

    private Simulation Sim => _process.Sim;

    private void OnMessage(object message, IActorRef sender)
    {
        switch (message)
        {
            case WriteBlob m:
                float[] state = [.. m.Parameters.Span, .. m.Moment1.Span, .. m.Moment2.Span];
                m.Parameters.Dispose();
                m.Moment1.Dispose();
                m.Moment2.Dispose();
                Later(() =>
                {
                    var blob = Sim.Storage.Write(_process, m.Shard, state);
                    Sim.Network.Send(_process, m.ReplyTo, blob is null
                        ? new BlobFailed(m.Version, m.Shard, "the disk is full") : new BlobWritten(m.Version, m.Shard, blob.Hash, blob.Bytes), Ref);
                });
                break;
            case WriteManifest m:
                Later(() => Sim.Network.Send(_process, m.ReplyTo, Sim.Storage.Write(m.Manifest)
                    ? new ManifestWritten(m.Manifest.Version, m.Manifest.StateDigest) : new BlobFailed(m.Manifest.Version, new ShardId(-1), "the disk is full"), Ref));
                break;
            case CollectCheckpoints m:
                Later(() => Sim.Storage.Collect(m.Sealed));
                break;
            default: break;
        }
    }

    private void Later(Action action)
    {
        var start = _busyUntil > Sim.Scheduler.Now ? _busyUntil : Sim.Scheduler.Now;
        _busyUntil = start + Sim.Random.Milliseconds(0.2, 10);
        _process.Post(_busyUntil - Sim.Scheduler.Now, action);
    }
}
