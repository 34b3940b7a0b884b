using System.Collections.Concurrent;
using ElasticTrain.Core;
using ElasticTrain.Data;

namespace ElasticTrain.Actors.Loading;

/// <summary>Samples read ahead of their use. A miss only costs the time of reading: what a (step, rank) holds is computed, never consumed.</summary>
/// <param name="index">The sample index.</param>
public sealed class SampleCache(SampleIndex index)
{
    private const int Capacity = 256;

    private readonly ConcurrentDictionary<(Step, RankId), IReadOnlyList<MicroBatch>> _ahead = new();

    /// <summary>The micro-batches of a rank; taken out of the cache if they were read ahead.</summary>
    public IReadOnlyList<MicroBatch> Take(Step step, RankId rank) =>
        _ahead.TryRemove((step, rank), out var batches) ? batches : index.ReadRank(step, rank);

    /// <summary>Reads ranks of a step ahead; what older steps left behind goes.</summary>
    public void ReadAhead(Step step, RankRange ranks)
    {
        foreach (var key in _ahead.Keys)
            if (key.Item1.Value < step.Value - 1) _ahead.TryRemove(key, out _);
        for (int rank = ranks.Lo; rank < ranks.Hi && _ahead.Count < Capacity; rank++)
        {
            var id = new RankId(rank);
            if (!_ahead.ContainsKey((step, id))) _ahead.TryAdd((step, id), index.ReadRank(step, id));
        }
    }
}
