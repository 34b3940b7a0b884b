using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>
/// How far the step in progress is: which ranks wait, are granted, are done; which shards have sealed. Pure bookkeeping of one coordinator;
/// losing it loses nothing, because every piece can be computed again to the same bits.
/// </summary>
public sealed class StepProgress
{
    private enum RankState : byte { Queued, Granted, Done }

    private readonly RankState[] _ranks;
    private readonly RankOutcome?[] _outcomes;
    private readonly GradientSealed?[] _seals;
    private readonly bool[] _needsSeal;
    private readonly Dictionary<long, RankRange> _grants = [];
    private int _done, _sealed;

    /// <summary>Opens a step.</summary>
    /// <param name="input">The version that it starts from.</param>
    /// <param name="virtualRanks">V.</param>
    /// <param name="frozenPrefix">Frozen prefix in this step: K + 1 for the embedding and the layers 0 to K, 0 for none.</param>
    /// <param name="needsSeal">Per shard, in order: whether it takes part (is not frozen).</param>
    public StepProgress(Lineage input, int virtualRanks, int frozenPrefix, IReadOnlyList<bool> needsSeal)
    {
        Input = input;
        FrozenPrefix = frozenPrefix;
        _ranks = new RankState[virtualRanks];
        _outcomes = new RankOutcome?[virtualRanks];
        _seals = new GradientSealed?[needsSeal.Count];
        _needsSeal = [.. needsSeal];
        Expected = _needsSeal.Count(n => n);
    }

    /// <summary>The version that the step starts from.</summary>
    public Lineage Input { get; }

    /// <summary>The step.</summary>
    public Step Step => Input.Step.Next;

    /// <summary>Frozen prefix in this step: K + 1 for the embedding and the layers 0 to K, 0 for none.</summary>
    public int FrozenPrefix { get; }

    /// <summary>Number of shards that must seal.</summary>
    public int Expected { get; }

    /// <summary>Whether every rank is done.</summary>
    public bool AllRanksDone => _done == _ranks.Length;

    /// <summary>Whether every rank is done and every shard that takes part has sealed.</summary>
    public bool IsComplete => AllRanksDone && _sealed == Expected;

    /// <summary>Ranks neither granted nor done.</summary>
    public int Queued => _ranks.Count(r => r == RankState.Queued);

    /// <summary>Outcomes in rank order; all there when <see cref="AllRanksDone"/>.</summary>
    public IReadOnlyList<RankOutcome> Outcomes => _outcomes!;

    /// <summary>Seals of the shards that take part, in shard order; all there when <see cref="IsComplete"/>.</summary>
    public IReadOnlyList<GradientSealed> Seals => _seals.Where((_, i) => _needsSeal[i]).ToList()!;

    /// <summary>Shards that have not sealed yet.</summary>
    public IEnumerable<ShardId> Unsealed => Enumerable.Range(0, _seals.Length).Where(i => _needsSeal[i] && _seals[i] is null).Select(i => new ShardId(i));

    /// <summary>Whether a shard's gradient is awaited at all.</summary>
    public bool Awaits(ShardId shard) => _needsSeal[shard.Value] && _seals[shard.Value] is null;

    /// <summary>Takes the next queued aligned block of the reduction tree, of at most <paramref name="limit"/> ranks; null when none is queued.</summary>
    /// <param name="grantId">Names the grant.</param>
    /// <param name="limit">At least 1.</param>
    public RankRange? Grant(long grantId, int limit)
    {
        int lo = Array.IndexOf(_ranks, RankState.Queued);
        if (lo < 0) return null;
        int end = lo + 1;
        while (end < _ranks.Length && _ranks[end] == RankState.Queued) end++;
        var range = ReductionTree.LargestBlock(new RankRange(lo, end), limit, _ranks.Length);
        Array.Fill(_ranks, RankState.Granted, range.Lo, range.Count);
        _grants.Add(grantId, range);
        return range;
    }

    /// <summary>Takes a grant back: its ranks are queued again unless another copy finished them.</summary>
    public void Requeue(long grantId)
    {
        if (!_grants.Remove(grantId, out var range)) return;
        for (int i = range.Lo; i < range.Hi; i++)
            if (_ranks[i] == RankState.Granted) _ranks[i] = RankState.Queued;
    }

    /// <summary>Notes that ranks are computed and acknowledged by every shard. Results of taken-back grants count too: the bits are the same.</summary>
    public void Complete(RanksCompleted message)
    {
        _grants.Remove(message.GrantId);
        for (int i = message.Ranks.Lo; i < message.Ranks.Hi; i++)
        {
            if (_ranks[i] == RankState.Done) continue;
            _ranks[i] = RankState.Done;
            _outcomes[i] = message.Outcomes[i - message.Ranks.Lo];
            _done++;
        }
    }

    /// <summary>Notes a shard's seal. A second one must be the same; returns why not, or null.</summary>
    public string? Seal(GradientSealed message)
    {
        int i = message.Shard.Value;
        if (!_needsSeal[i]) return null;
        if (_seals[i] is { } known)
            return known.GradientDigest == message.GradientDigest ? null
                : $"shard {message.Shard} sealed step {Step} twice with different gradients ({known.GradientDigest:x32}, {message.GradientDigest:x32})";
        _seals[i] = message;
        _sealed++;
        return null;
    }
}
