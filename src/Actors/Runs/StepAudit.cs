using ElasticTrain.Actors.Devices;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>One device. A restarted process has the devices of the one before it: it is the hardware that is right or wrong.</summary>
/// <param name="Node">The node's name.</param>
/// <param name="Name">The device's name on it.</param>
public readonly record struct DeviceId(string Node, string Name)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} of {Node}";
}

/// <summary>One computation of an audited rank.</summary>
/// <param name="Number">0 for the first whose result came, 1 for the second, and so on.</param>
/// <param name="Device">Who computed.</param>
/// <param name="Checksums">Of the gradient's pieces, and behind them of what else the rank reports.</param>
/// <param name="IsContributed">Whether the gradient went into the step's sums; otherwise it was computed only to be compared.</param>
public sealed record Computation(int Number, DeviceId Device, IReadOnlyList<ulong> Checksums, bool IsContributed);

/// <summary>A computation that the others have outvoted, or that differs from another one where nobody can tell who is right.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="Odd">The computation.</param>
/// <param name="Expected">One with the right bits, or the other one.</param>
public sealed record AuditFinding(int Rank, Computation Odd, Computation Expected);

/// <summary>
/// The audits of one attempt at a step: which ranks are computed again, by whom, what came back, and who is right. Pure bookkeeping of one coordinator: losing it
/// loses nothing, since its successor makes another attempt.
/// </summary>
/// <param name="ranks">The audited ranks.</param>
public sealed class StepAudit(IEnumerable<int> ranks)
{
    /// <summary>Computations of one rank after which it is given up that they agree.</summary>
    private const int MostComputations = 9;

    /// <summary>How often one device is asked for a rank where there are others, and where it is alone.</summary>
    private const int MostByOneOfMany = 2, MostByOne = 5;

    /// <summary>How many grants of a rank may be taken back from one device before it is not asked for it any more.</summary>
    private const int MostTakenBack = 3;

    private sealed class Grant(DeviceId device, RankRange ranks, bool isAudit)
    {
        public DeviceId Device { get; } = device;

        public RankRange Ranks { get; } = ranks;

        public bool IsAudit { get; } = isAudit;
    }

    /// <summary>What is known of one audited rank, and who computes it at the moment.</summary>
    private sealed class Audited
    {
        public List<Computation> Computations { get; } = [];

        public List<Grant> Outstanding { get; } = [];

        public List<DeviceId> TakenBack { get; } = [];
    }

    private readonly Dictionary<int, Audited> _ranks = ranks.ToDictionary(r => r, _ => new Audited());
    private readonly List<int> _order = [.. ranks.Order()];
    private readonly Dictionary<long, Grant> _grants = [];
    private readonly HashSet<(int Rank, int Number)> _told = [];

    // Every result of a step passes here: what is asked each time is kept, rank by rank, as they change.
    private readonly SortedSet<int> _open = [], _disputed = [];
    private readonly HashSet<int> _unsettled = [.. ranks];

    /// <summary>The ranks of a step that are audited: a function of these numbers alone, so that no membership changes it.</summary>
    /// <param name="seed">The plan's seed.</param>
    /// <param name="step">The step.</param>
    /// <param name="virtualRanks">V.</param>
    /// <param name="share">The share of all ranks that is audited, in the mean over steps.</param>
    public static IReadOnlyList<int> Drawn(ulong seed, Step step, int virtualRanks, double share)
    {
        if (share <= 0) return [];
        ulong key = CounterRandom.Key(seed, "audit");
        return [.. Enumerable.Range(0, virtualRanks).Where(rank => (CounterRandom.Bits(key, (ulong)step.Value, (ulong)rank) >> 11) / (double)(1L << 53) < share)];
    }

    /// <summary>Whether every audited rank's computations agree, or the odd ones among them are in no sum.</summary>
    public bool IsSettled => _unsettled.Count == 0;

    /// <summary>Whether there is a rank that somebody is to compute again.</summary>
    public bool HasOpen => _open.Count > 0;

    /// <summary>Whether computations of a rank differ.</summary>
    public bool HasDisputed => _disputed.Count > 0;

    /// <summary>A rank whose computations differ without telling who is right; null if there is none.</summary>
    public int? Undecided => _disputed.Select(rank => (int?)rank).FirstOrDefault(rank => RightOf(Of(rank!.Value)) is null);

    /// <summary>Whether what went into the step's sums has been outvoted.</summary>
    public bool IsSumWrong => _disputed.Any(rank => Of(rank) is var c && RightOf(c) is { } right && c.Any(x => x.IsContributed && !Same(x, right)));

    /// <summary>The audited ranks of a range.</summary>
    public IReadOnlyList<int> In(RankRange range)
    {
        int from = _order.BinarySearch(range.Lo), to = _order.BinarySearch(range.Hi);
        (from, to) = (from < 0 ? ~from : from, to < 0 ? ~to : to);
        return from == to ? [] : _order[from..to];
    }

    /// <summary>What is known of a rank; empty for one that is not audited.</summary>
    public IReadOnlyList<Computation> Of(int rank) => _ranks.GetValueOrDefault(rank)?.Computations ?? [];

    /// <summary>A device computes ranks for the step's sums.</summary>
    public void Granted(long grantId, DeviceId device, RankRange range)
    {
        if (In(range).Count > 0) Note(grantId, new Grant(device, range, isAudit: false));
    }

    /// <summary>The next rank for a device of a node that has not computed it: none can be better suited.</summary>
    /// <param name="grantId">Names the grant.</param>
    /// <param name="device">The idle device.</param>
    public RankRange? GrantFresh(long grantId, DeviceId device)
    {
        foreach (int rank in _open)
            if (Unfitness(device, _ranks[rank]) == 0) return Ask(grantId, device, rank);
        return null;
    }

    /// <summary>The next rank that a device is to compute again; null if there is none for it. Others may be better suited, and come to it later.</summary>
    /// <param name="grantId">Names the grant.</param>
    /// <param name="device">The idle device.</param>
    /// <param name="available">All devices that can be given work.</param>
    public RankRange? GrantAudit(long grantId, DeviceId device, IReadOnlyCollection<DeviceId> available)
    {
        foreach (int rank in _open)
        {
            var audited = _ranks[rank];
            var best = available.Min(d => Unfitness(d, audited));
            if (best is not null && Unfitness(device, audited) == best) return Ask(grantId, device, rank);
        }
        return null;
    }

    /// <summary>Whether there is a rank that only devices could compute again that have computed it before.</summary>
    /// <param name="available">All devices that can be given work.</param>
    public bool NeedsOthers(IReadOnlyCollection<DeviceId> available) =>
        _open.Any(rank => available.All(d => Unfitness(d, _ranks[rank]) is null or 2));

    /// <summary>A grant is taken back, whether it is an audit or not: it failed, or takes too long. If its result comes all the same, it counts.</summary>
    public void Withdraw(long grantId)
    {
        if (!_grants.TryGetValue(grantId, out var grant)) return;
        foreach (int rank in In(grant.Ranks)) _ranks[rank].TakenBack.Add(grant.Device);
        TakeBack(grant);
    }

    /// <summary>Takes a result. Each grant has one; what comes again is ignored.</summary>
    public void Complete(RanksCompleted message)
    {
        if (!_grants.Remove(message.GrantId, out var grant)) return;
        TakeBack(grant);
        foreach (var found in message.Checksums)
        {
            if (!_ranks.TryGetValue(found.Rank, out var audited)) continue;
            var (computations, outcome) = (audited.Computations, message.Outcomes[found.Rank - message.Ranks.Lo]);
            computations.Add(new Computation(computations.Count, grant.Device, [.. found.Pieces, RankChecksums.Of(outcome)], !grant.IsAudit));
            Look(found.Rank);
        }
    }

    /// <summary>The outvoted computations that were not named before.</summary>
    public IReadOnlyList<AuditFinding> TakeFindings() =>
    [
        .. from rank in _disputed
           let right = RightOf(Of(rank))
           where right is not null
           from odd in Of(rank)
           where !Same(odd, right) && _told.Add((rank, odd.Number))
           select new AuditFinding(rank, odd, right),
    ];

    /// <summary>A rank of which nobody can say any more who is right; null if there is none.</summary>
    /// <param name="known">All devices that there are, whether they can be given work at the moment or not.</param>
    public int? Undecidable(IReadOnlyCollection<DeviceId> known)
    {
        foreach (int rank in _disputed)
        {
            var audited = _ranks[rank];
            if (RightOf(audited.Computations) is not null || audited.Outstanding.Count > 0 || known.Count == 0) continue;
            if (audited.Computations.Count >= MostComputations || known.All(d => Unfitness(d, audited) is null)) return rank;
        }
        return null;
    }

    /// <summary>What the devices say of a rank, each beside what another one says.</summary>
    public IReadOnlyList<AuditFinding> Differences(int rank) =>
    [
        .. from computation in Of(rank).DistinctBy(c => c.Device)
           let other = Of(rank).FirstOrDefault(c => !Same(c, computation))
           where other is not null
           select new AuditFinding(rank, computation, other),
    ];

    /// <summary>The ranks that a device was granted and has not reported, if all of them are audited and settled: what it brings now is known to be right or wrong.</summary>
    public (DeviceId Device, RankRange Ranks)? UnreportedBySettled(long grantId) =>
        _grants.TryGetValue(grantId, out var grant) && In(grant.Ranks).Count == grant.Ranks.Count && In(grant.Ranks).All(r => RightOf(Of(r)) is not null) ? (grant.Device, grant.Ranks) : null;

    /// <summary>Two computations, more where they differ; none before the rank is computed for the sums.</summary>
    private static bool NeedsAnother(Audited audited)
    {
        var (computations, outstanding) = (audited.Computations, audited.Outstanding);
        if (!computations.Any(c => c.IsContributed) && outstanding.All(g => g.IsAudit)) return false;
        return computations.Count + outstanding.Count < 2
            || (outstanding.Count == 0 && computations.Count < MostComputations && RightOf(computations) is null);
    }

    private RankRange Ask(long grantId, DeviceId device, int rank)
    {
        var range = new RankRange(rank, rank + 1);
        Note(grantId, new Grant(device, range, isAudit: true));
        return range;
    }

    private void Note(long grantId, Grant grant)
    {
        _grants[grantId] = grant;
        foreach (int rank in In(grant.Ranks))
        {
            _ranks[rank].Outstanding.Add(grant);
            Look(rank);
        }
    }

    private void TakeBack(Grant grant)
    {
        foreach (int rank in In(grant.Ranks))
            if (_ranks[rank].Outstanding.Remove(grant)) Look(rank);
    }

    /// <summary>A rank has changed.</summary>
    private void Look(int rank)
    {
        var audited = _ranks[rank];
        var computations = audited.Computations;
        Keep(_open, rank, NeedsAnother(audited));
        Keep(_disputed, rank, computations.Exists(c => !Same(c, computations[0])));
        Keep(_unsettled, rank, !(RightOf(computations) is { } right && computations.Exists(c => c.IsContributed) && computations.TrueForAll(c => !c.IsContributed || Same(c, right))));
    }

    private static void Keep(ISet<int> set, int rank, bool isIn)
    {
        if (isIn) set.Add(rank);
        else set.Remove(rank);
    }

    /// <summary>0 for a device of a node that has not computed the rank, 1 for another device of one that has, 2 for the same device, null for one that has been asked often enough, or in vain.</summary>
    private static int? Unfitness(DeviceId device, Audited audited)
    {
        if (audited.TakenBack.Count(d => d == device) >= MostTakenBack) return null;
        // Asked for every device where many have to be compared: without a list.
        int users = 0, onNode = 0, times = 0;
        foreach (var computation in audited.Computations) Count(computation.Device);
        foreach (var grant in audited.Outstanding) Count(grant.Device);
        if (onNode == 0) return 0;
        return times == 0 ? 1 : times < (times == users ? MostByOne : MostByOneOfMany) ? 2 : null;

        void Count(DeviceId user)
        {
            users++;
            if (user.Node == device.Node) onNode++;
            if (user == device) times++;
        }
    }

    /// <summary>
    /// A computation with the right bits; null while nobody knows. Right is what two computations agree on; where some differ, what more devices say than anything else. A
    /// device that contradicts itself is wrong where the others do not contradict themselves. A device alone has the majority of its own.
    /// </summary>
    private static Computation? RightOf(IReadOnlyList<Computation> computations)
    {
        if (computations.Count < 2) return null;
        var answers = new List<List<Computation>>();
        foreach (var computation in computations)
        {
            if (answers.Find(a => Same(a[0], computation)) is { } answer) answer.Add(computation);
            else answers.Add([computation]);
        }
        if (answers.Count == 1) return computations[0];
        if (MostOf(answers, a => a.Select(c => c.Device).Distinct().Count()) is { } majority) return majority;
        var devices = computations.GroupBy(c => c.Device).ToList();
        if (devices.Count == 1) return MostOf(answers, a => a.Count);
        var steady = devices.Where(d => d.All(c => Same(c, d.First()))).ToList();
        return steady.Count > 0 && steady.Count < devices.Count && steady.All(d => d.Count() > 1 && Same(d.First(), steady[0].First())) ? steady[0].First() : null;
    }

    /// <summary>The answer that more speaks for than for any other, two at least.</summary>
    private static Computation? MostOf(List<List<Computation>> answers, Func<List<Computation>, int> votes)
    {
        var ordered = answers.OrderByDescending(votes).ToList();
        return votes(ordered[0]) > 1 && votes(ordered[0]) > votes(ordered[1]) ? ordered[0][0] : null;
    }

    private static bool Same(Computation one, Computation other) => one.Checksums.SequenceEqual(other.Checksums);
}
