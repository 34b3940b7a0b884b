namespace ElasticTrain.Actors.Runs;

/// <summary>
/// How many ranks an idle device gets: as many as let all devices end at the same time, by their speed so far. At first only half of more than two, so that an error
/// of the estimate can be made good by what it gets next. In more parts a step would be a little more even, but each part sends every gradient to every replica once.
/// </summary>
public sealed class FairShare
{
    /// <summary>All devices are looked at once in so many grants of each: an estimate is off by the work of a 64th of them at most.</summary>
    private const int Looks = 64;

    private double _typical, _speed, _underWay;
    private DateTime _lookedAt;
    private int _devices, _left;

    /// <summary>The share of a device.</summary>
    /// <param name="idle">The device.</param>
    /// <param name="isFirst">Whether it has had nothing of this step yet.</param>
    /// <param name="queued">Ranks that nobody has.</param>
    /// <param name="roster">All devices.</param>
    /// <param name="now">The time.</param>
    public int Of(DeviceSlot idle, bool isFirst, int queued, WorkerRoster roster, DateTime now)
    {
        if (_left-- <= 0) Look(roster, now);
        if (_devices == 1) return Math.Max(1, queued);
        double work = queued + Math.Max(0, _underWay - ((now - _lookedAt).TotalSeconds * _speed));
        int fair = (int)Math.Round(work / _speed / Pace(idle));
        return Math.Max(1, fair <= 2 || !isFirst ? fair : (fair + 1) / 2);
    }

    /// <summary>Ranks were granted.</summary>
    public void Granted(int ranks) => _underWay += ranks;

    private void Look(WorkerRoster roster, DateTime now)
    {
        var devices = roster.Devices.ToList();
        _typical = devices.Select(d => d.SecondsPerRank).Where(s => s > 0).DefaultIfEmpty(1).Average();
        (_speed, _underWay, _lookedAt, _devices, _left) = (0, 0, now, devices.Count, devices.Count / Looks);
        foreach (var device in devices)
        {
            _speed += 1 / Pace(device);
            if (device.Grant is { } grant) _underWay += Math.Max(0, grant.Ranks.Count - ((now - device.GrantedAt).TotalSeconds / Pace(device)));
        }
    }

    private double Pace(DeviceSlot device) => device.SecondsPerRank > 0 ? device.SecondsPerRank : _typical;
}
