using ElasticTrain.Actors.Devices;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>
/// The one copy of the parameters of a process, by the rules of the product's NodeParameters and ShardPuller: one version at a time, leased; a load that a later
/// grant has made useless is cancelled; of a shard any replica is as good as another, and one that fails or is silent is passed over.
/// </summary>
public sealed class SimParameters(SimProcess process)
{
    private sealed class Load(GrantRanks grant)
    {
        public GrantRanks Grant { get; set; } = grant;

        public ParameterVersion Parameters { get; } = grant.Parameters;

        public int Missing { get; set; }

        public bool HasEnded { get; set; }
    }

    private readonly float[] _buffer = new float[process.Sim.Scenario.Layout.TotalLength];
    private readonly List<(GrantRanks Grant, Func<bool> IsWanted, Action<Exception?> Done)> _waiting = [];
    private ParameterVersion? _version;
    private Load? _load;
    private int _readers;

    /// <summary>What the leases are for.</summary>
    public ReadOnlySpan<float> Values => _buffer;

    /// <summary>Waits for a grant's version.</summary>
    /// <param name="grant">The grant.</param>
    /// <param name="isWanted">Whether the device still works on it.</param>
    /// <param name="done">Called with null when the lease is taken, or with the reason why not.</param>
    public void Acquire(GrantRanks grant, Func<bool> isWanted, Action<Exception?> done)
    {
        _waiting.Add((grant, isWanted, done));
        Look();
    }

    /// <summary>Ends a lease.</summary>
    public void Release()
    {
        _readers--;
        Look();
    }

    private void Look()
    {
        for (int i = 0; i < _waiting.Count;)
        {
            var (grant, isWanted, done) = _waiting[i];
            if (!isWanted())
            {
                _waiting.RemoveAt(i);
            }
            else if (_load is { } load)
            {
                if (GrantOrder.IsOutdated(load.Grant, grant)) End(load, new OperationCanceledException());
                else if (load.Parameters == grant.Parameters && GrantOrder.IsLater(grant, load.Grant)) load.Grant = grant;
                if (_load is not null) i++;
            }
            else if (_version == grant.Parameters)
            {
                _waiting.RemoveAt(i);
                _readers++;
                done(null);
            }
            else if (_readers == 0)
            {
                Begin(grant);
            }
            else
            {
                i++;
            }
        }
    }

    private void Begin(GrantRanks grant)
    {
        _version = null;
        var load = _load = new Load(grant) { Missing = process.Sim.Scenario.Layout.Shards.Count };
        // Failures come at once where a shard has no route: not from inside this call.
        foreach (var shard in process.Sim.Scenario.Layout.Shards) process.Post(TimeSpan.Zero, () => Pull(load, shard, [], 0, null));
    }

    private void Pull(Load load, ShardInfo shard, HashSet<ShardRoute> failed, int turn, Exception? reason)
    {
        if (load.HasEnded) return;
        ShardRoute[] candidates = [.. load.Grant.Routes.Where(r => r.Shard == shard.Id && !r.IsObserver && !failed.Contains(r)).OrderBy(r => r.DataPlane != process.DataPlane)];
        if (candidates.Length == 0)
        {
            End(load, reason ?? new DataPlaneRefusedException("no replica is known"));
            return;
        }
        var route = candidates[turn % candidates.Length];
        bool isOver = false;
        var header = process.Sim.Data.Header(FrameKind.Pull, load.Parameters.Version, shard.Id, route.Replica, default);
        process.Sim.Data.Request(process, route.DataPlane, header, [], isLong: true, (error, values, _) =>
        {
            if (isOver || load.HasEnded) return;
            isOver = true;
            if (error is not null)
            {
                failed.Add(route);
                Pull(load, shard, failed, turn, error);
                return;
            }
            values.CopyTo(_buffer, (int)shard.Offset);
            if (--load.Missing == 0) End(load, null);
        });
        process.Post(process.Sim.Scenario.Plan.Elastic.SuspectAfter, () =>
        {
            if (isOver || load.HasEnded) return;
            bool isRoute = load.Grant.Routes.Contains(route);
            if (candidates.Length == 1 && isRoute && load.Grant.Routes.Count(r => r.Shard == shard.Id && !r.IsObserver) == 1)
            {
                // Nobody else to ask: it is waited for, unless other routes come to be known.
                Watch();
                return;
            }
            isOver = true;
            Pull(load, shard, [], turn + 1, reason);
        });

        void Watch() => process.Post(process.Sim.Scenario.Plan.Elastic.SuspectAfter, () =>
        {
            if (isOver || load.HasEnded) return;
            if (load.Grant.Routes.Contains(route))
            {
                Watch();
                return;
            }
            isOver = true;
            Pull(load, shard, [], turn + 1, reason);
        });
    }

    private void End(Load load, Exception? error)
    {
        if (load.HasEnded) return;
        load.HasEnded = true;
        _load = null;
        if (error is null) _version = load.Parameters;
        // The one who loaded gets the first lease, or the error; the others look again.
        int index = _waiting.FindIndex(w => w.Grant == load.Grant || w.Grant.Parameters == load.Parameters);
        if (index >= 0)
        {
            var done = _waiting[index].Done;
            _waiting.RemoveAt(index);
            if (error is null) _readers++;
            process.Post(SimProcess.LocalDelay, () => done(error));
        }
        process.Post(TimeSpan.Zero, Look);
    }
}
