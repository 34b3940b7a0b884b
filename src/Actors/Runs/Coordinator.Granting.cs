using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>Granting: which device computes which ranks, and who computes those of a device that does not come to an end.</summary>
public sealed partial class Coordinator
{
    /// <summary>A grant is not a straggler's before this, however short grants are.</summary>
    private static readonly TimeSpan LeastPatience = TimeSpan.FromMilliseconds(200);

    private sealed record Regrant;

    private readonly FairShare _shares = new();
    private IReadOnlyList<ShardRoute>? _routes;
    private long _lastGrant;
    private TimeSpan _longestGrant;

    private void GrantIdle()
    {
        if (_phase != Phase.Stepping || _progress is not { } progress) return;
        if (progress.Queued > 0) GrantQueued(progress);
        if (progress.Queued == 0 && progress.Audit.HasOpen) GrantAudits(progress);
    }

    private void GrantQueued(StepProgress progress)
    {
        bool choosy = IsChoosy();
        foreach (var device in IdleDevices())
        {
            if ((choosy && IsSuspected(device)) || MustWait(device)) continue;
            int share = Math.Min(_shares.Of(device, device.Attempt != progress.Attempt, progress.Queued, _roster, _host.UtcNow), _mostRanks);
            if (progress.Grant(_lastGrant + 1, share) is not { } ranks) return;
            _shares.Granted(ranks.Count);
            var grant = NewGrant(progress, ranks);
            progress.Audit.Granted(grant.GrantId, device.Id, ranks);
            Give(device, grant);
        }
    }

    /// <summary>Idle devices that can be given work; where all of those hang, also devices of nodes that are to go.</summary>
    private IReadOnlyList<DeviceSlot> IdleDevices()
    {
        var idle = _roster.Idle;
        if (idle.Count > 0 || !_roster.Devices.Any() || !_roster.Devices.All(d => d.IsOverdue)) return idle;
        return [.. _roster.AnsweringDevices.Where(d => d.Grant is null)];
    }

    private bool MustWait(DeviceSlot device)
    {
        var wait = device.NotBefore - _host.UtcNow;
        if (wait <= TimeSpan.Zero) return false;
        _host.After(wait, "regrant", new Regrant());
        return true;
    }

    private void Give(DeviceSlot device, GrantRanks grant)
    {
        _roster.Give(device, grant, _host.UtcNow);
        _host.Tell(device.Actor, device.Brief(grant));
    }

    private GrantRanks NewGrant(StepProgress progress, RankRange ranks) => new(_term, ++_lastGrant, progress.Input, ranks, progress.FrozenPrefix, Routes())
    {
        Data = _state.DataAt(progress.Step),
        Attempt = progress.Attempt,
        PlacedAt = _placedAt,
        Audited = progress.Audit.In(ranks),
    };

    private IReadOnlyList<ShardRoute> Routes() => _routes ??= [.. _replicas.All
        .Select(r => (Replica: r, Node: _roster.Find(r.Placement.Node))).Where(r => r.Node is not null)
        .Select(r => new ShardRoute(r.Replica.Shard, r.Replica.Id, r.Node!.Hello.DataPlane) { IsObserver = !r.Replica.IsInSync })];

    /// <summary>
    /// Gives the ranks of a device that takes unusually long to an idle one as well. The first result counts; both have the same bits. Where ranks wait and nobody is
    /// free to take them, it is only noted who hangs: if all do, devices that are to go take what waits. Nothing is computed twice for that, since most are merely busy.
    /// </summary>
    private void Speculate()
    {
        if (_progress is not { } progress || (progress.AllRanksDone && progress.Audit.IsSettled)) return;
        bool areRanksLeft = progress.Queued > 0;
        if (areRanksLeft ? _roster.Idle.Count > 0 : _roster.AnsweringDevices.All(d => d.Grant is not null)) return;
        var least = _run.Plan.Elastic.SuspectAfter;
        var hung = _longestGrant * 4 > least ? _longestGrant * 4 : least;
        foreach (var device in _roster.AllDevices)
        {
            if (device.Grant is not { } grant) continue;
            var slow = TimeSpan.FromSeconds(2 * grant.Ranks.Count * device.SecondsPerRank);
            if (slow < LeastPatience) slow = LeastPatience;
            bool isSlowEnough = !areRanksLeft && _run.Plan.Elastic.Speculate && device.SecondsPerRank > 0 && slow < hung;
            if (_host.UtcNow - device.GrantedAt <= (isSlowEnough ? slow : hung)) continue;
            device.IsOverdue = true;
            if (!areRanksLeft) progress.Requeue(grant.GrantId);
        }
    }

    private void Withdraw(Worker worker)
    {
        foreach (var device in worker.Devices)
        {
            if (device.Grant is { } grant) _progress?.Requeue(grant.GrantId);
            _roster.TakeBack(device);
        }
    }
}
