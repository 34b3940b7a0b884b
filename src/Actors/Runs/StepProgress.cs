using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>Two seals that cannot both be right.</summary>
/// <param name="First">The one that came first.</param>
/// <param name="Second">The other.</param>
public sealed record SealConflict(GradientSealed First, GradientSealed Second)
{
    /// <summary>Whether one replica contradicts itself: then it is no question which of two replicas is wrong.</summary>
    public bool IsSelfContradiction => First.Replica == Second.Replica;
}

/// <summary>
/// How far the step in progress is: which ranks wait, are granted, are done; which replicas have sealed. Pure bookkeeping of one coordinator;
/// losing it loses nothing, because every piece can be computed again to the same bits.
/// </summary>
public sealed class StepProgress
{
    private enum RankState : byte { Queued, Granted, Done }

    private readonly RankState[] _ranks;
    private readonly RankOutcome?[] _outcomes;
    private readonly List<GradientSealed>[] _seals;
    private readonly bool[] _needsSeal;
    private readonly Dictionary<ReplicaId, ShardId> _awaited;
    private readonly Dictionary<long, RankRange> _grants = [];
    private readonly List<RankRange> _whole = [];
    private int _done, _queued, _firstQueued, _uncovered;

    /// <summary>Opens a step.</summary>
    /// <param name="input">The version that it starts from.</param>
    /// <param name="virtualRanks">V.</param>
    /// <param name="frozenPrefix">Frozen prefix in this step: K + 1 for the embedding and the layers 0 to K, 0 for none.</param>
    /// <param name="needsSeal">Per shard, in order: whether it takes part (is not frozen).</param>
    /// <param name="replicas">The replicas in sync, each with its shard: of a shard that takes part, all of them must seal.</param>
    public StepProgress(Lineage input, int virtualRanks, int frozenPrefix, IReadOnlyList<bool> needsSeal, IEnumerable<KeyValuePair<ReplicaId, ShardId>> replicas)
    {
        Input = input;
        FrozenPrefix = frozenPrefix;
        _ranks = new RankState[virtualRanks];
        _outcomes = new RankOutcome?[virtualRanks];
        _seals = [.. needsSeal.Select(_ => new List<GradientSealed>(2))];
        _needsSeal = [.. needsSeal];
        _awaited = replicas.Where(r => _needsSeal[r.Value.Value]).ToDictionary();
        Expected = _uncovered = _needsSeal.Count(n => n);
        _queued = virtualRanks;
    }

    /// <summary>The version that the step starts from.</summary>
    public Lineage Input { get; }

    /// <summary>The step.</summary>
    public Step Step => Input.Step.Next;

    /// <summary>Frozen prefix in this step: K + 1 for the embedding and the layers 0 to K, 0 for none.</summary>
    public int FrozenPrefix { get; }

    /// <summary>The attempt at the step.</summary>
    public Attempt Attempt { get; init; }

    /// <summary>Its audits.</summary>
    public StepAudit Audit { get; init; } = new([]);

    /// <summary>Number of shards that must seal.</summary>
    public int Expected { get; }

    /// <summary>Whether every rank is done.</summary>
    public bool AllRanksDone => _done == _ranks.Length;

    /// <summary>Whether every rank is done, every awaited replica has sealed, one of each shard at least, and the audits have shown that what was summed is right.</summary>
    public bool IsComplete => AllRanksDone && _awaited.Count == 0 && IsCovered && Audit.IsSettled;

    /// <summary>Whether of every shard that takes part one replica has sealed.</summary>
    public bool IsCovered => _uncovered == 0;

    /// <summary>Ranks neither granted nor done.</summary>
    public int Queued => _queued;

    /// <summary>Outcomes in rank order; all there when <see cref="AllRanksDone"/>.</summary>
    public IReadOnlyList<RankOutcome> Outcomes => _outcomes!;

    /// <summary>One seal of each shard that takes part, in shard order; all there when <see cref="IsCovered"/>.</summary>
    public IReadOnlyList<GradientSealed> Seals => _seals.Where((_, i) => _needsSeal[i]).Select(s => s[0]).ToList();

    /// <summary>Replicas that have not sealed yet, by number.</summary>
    public IEnumerable<ReplicaId> Awaited => _awaited.Keys.OrderBy(r => r.Value);

    /// <summary>The first seal of a shard; null before it.</summary>
    public GradientSealed? SealOf(ShardId shard) => _seals[shard.Value].FirstOrDefault();

    /// <summary>
    /// Takes the next queued aligned block of the reduction tree, of at most <paramref name="limit"/> ranks; null when none is queued. A block with audited ranks that was
    /// taken back is granted as a whole: replicas then compare what may have come of it already, and no unaudited bits of it are left in the sums.
    /// </summary>
    /// <param name="grantId">Names the grant.</param>
    /// <param name="limit">At least 1.</param>
    public RankRange? Grant(long grantId, int limit)
    {
        if (_queued == 0) return null;
        int lo = Array.IndexOf(_ranks, RankState.Queued, _firstQueued), end = lo + 1;
        while (end < _ranks.Length && end - lo < limit && _ranks[end] == RankState.Queued && !_whole.Exists(w => w.Lo == end)) end++;
        var range = _whole.Find(w => w.Lo <= lo && lo < w.Hi) is { Count: > 0 } whole ? whole : ReductionTree.LargestBlock(new RankRange(lo, end), limit, _ranks.Length);
        for (int i = lo; i < range.Hi; i++)
        {
            // Of a whole block some may be done.
            if (_ranks[i] != RankState.Queued) continue;
            _ranks[i] = RankState.Granted;
            _queued--;
        }
        _grants.Add(grantId, range);
        _firstQueued = range.Hi;
        return range;
    }

    /// <summary>Takes a grant back: its ranks are queued again unless another copy finished them.</summary>
    public void Requeue(long grantId)
    {
        Audit.Withdraw(grantId);
        if (!_grants.Remove(grantId, out var range)) return;
        if (Audit.In(range).Count > 0 && !_whole.Contains(range)) _whole.Add(range);
        for (int i = range.Lo; i < range.Hi; i++)
        {
            if (_ranks[i] != RankState.Granted) continue;
            _ranks[i] = RankState.Queued;
            _queued++;
        }
        _firstQueued = Math.Min(_firstQueued, range.Lo);
    }

    /// <summary>Notes that ranks are computed and taken by a replica of every shard. Results of taken-back grants count too: the bits are the same.</summary>
    public void Complete(RanksCompleted message)
    {
        _grants.Remove(message.GrantId);
        for (int i = message.Ranks.Lo; i < message.Ranks.Hi; i++)
        {
            if (_ranks[i] == RankState.Done) continue;
            if (_ranks[i] == RankState.Queued) _queued--;
            _ranks[i] = RankState.Done;
            _outcomes[i] = message.Outcomes[i - message.Ranks.Lo];
            _done++;
        }
    }

    /// <summary>Notes a replica's seal; null unless it contradicts an earlier one of the shard: by its gradient, or by the state that it started from.</summary>
    public SealConflict? Seal(GradientSealed message)
    {
        if (!_needsSeal[message.Shard.Value]) return null;
        var seals = _seals[message.Shard.Value];
        foreach (var known in seals)
            if (!Agree(known, message)) return new SealConflict(known, message);
        if (seals.Count == 0) _uncovered--;
        if (seals.All(s => s.Replica != message.Replica)) seals.Add(message);
        _awaited.Remove(message.Replica);
        return null;
    }

    /// <summary>Nobody waits for a replica's seal any more.</summary>
    public void Forget(ReplicaId replica) => _awaited.Remove(replica);

    /// <summary>Whether two seals of one shard and step can both be right.</summary>
    public static bool Agree(GradientSealed one, GradientSealed other) =>
        one.GradientDigest == other.GradientDigest && CanBeSameState(one.StateChecksum, other.StateChecksum);

    /// <summary>Whether two checksums of a shard's state at one version can both be right: where one is unknown, nothing speaks against it.</summary>
    public static bool CanBeSameState(ulong? one, ulong? other) => one is not { } a || other is not { } b || a == b;
}
