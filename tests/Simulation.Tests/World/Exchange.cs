using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>One request to a tensor server and its answer.</summary>
public sealed class Exchange(Simulation sim, SimProcess from, SimProcess to, FrameHeader header, float[] payload, Action<Exception?, float[], Lineage?> done)
{
    private bool _isOver;

    /// <summary>Who asks.</summary>
    public SimProcess From => from;

    /// <summary>Who is asked.</summary>
    public SimProcess To => to;

    /// <summary>The connection is gone before the answer was there.</summary>
    public void Break(string reason) => End(new DataPlaneConnectionException($"{to.DataPlane}: {reason}"), [], null);

    /// <summary>The request has arrived.</summary>
    /// <param name="back">How long the answer takes; zero inside one process.</param>
    public void Serve(TimeSpan back)
    {
        if (header.Kind is FrameKind.Contribution or FrameKind.Marker)
        {
            Exception? error = null;
            try
            {
                to.Replicas.OnContribution(header, payload);
            }
            catch (ElasticTrainException refusal)
            {
                error = refusal;
            }
            Answer(error, [], null, back);
            return;
        }
        to.Park(() =>
        {
            // Whoever asked is gone or has given up: its connection tells the server.
            if (_isOver || !from.IsAlive) return true;
            return TryPull(back);
        });
    }

    private bool TryPull(TimeSpan back)
    {
        try
        {
            var replica = to.Replicas.Get(header.Shard, header.Replica);
            // What would wait there waits here, in virtual time.
            if (header.Kind == FrameKind.Pull && replica.Applied.Step < header.Lineage.Step) return false;
            if (header.Kind == FrameKind.PullGradient && (replica.Applied.Step < header.Lineage.Step || (replica.Applied == header.Lineage && !(replica.Seal?.Attempt >= header.Attempt)))) return false;
            var pull = to.Replicas.OnPullAsync(header, CancellationToken.None);
            if (!pull.IsCompleted) throw new SimulationFailure($"a pull of {header.Kind} {header.Lineage} from {header.Shard}~{header.Replica} at {replica.Applied} waits");
            var result = pull.GetAwaiter().GetResult();
            float[] values = result.Buffer.Slice(result.Offset, result.Length).ToArray();
            if (header.Kind != FrameKind.PullState)
            {
                result.Release();
                Answer(null, values, result.Version, back);
                return true;
            }
            // The server holds the copy, and with it the steps after it, until it is sent.
            var time = back * (1 + (100 * sim.Random.Unit()));
            sim.Scheduler.After(time, result.Release);
            Answer(null, values, result.Version, time);
        }
        catch (DataPlaneRefusedException refusal)
        {
            Answer(refusal, [], null, back);
        }
        return true;
    }

    private void Answer(Exception? error, float[] values, Lineage? version, TimeSpan back)
    {
        if (from == to)
        {
            End(error, values, version);
            return;
        }
        // An error travels as its kind and text.
        Exception? remote = error switch
        {
            null => null,
            DataPlaneRefusedException refusal => refusal,
            ContributionMismatchException mismatch => new DataPlaneRefusedException(mismatch.Message, RefusalKind.Mismatch),
            _ => new DataPlaneRefusedException(error.Message),
        };
        sim.Data.Through(to, from, () => from.Post(back, () => End(remote, values, version)));
    }

    private void End(Exception? error, float[] values, Lineage? version)
    {
        if (_isOver) return;
        _isOver = true;
        sim.Exchanges.Remove(this);
        if (from.IsAlive) done(error, values, version);
    }
}
