using System.Collections.Concurrent;
using ElasticTrain.Core;
using ElasticTrain.Data;

namespace ElasticTrain.Actors.Loading;

/// <summary>
/// Samples read ahead of their use. A miss only costs the time of reading: what a (step, rank) holds is computed, never consumed. What was read ahead from other data than the
/// step turns out to have is not found.
/// </summary>
public sealed class SampleCache
{
    private const int Capacity = 256;

    private readonly ConcurrentDictionary<(SampleIndex, Step, RankId), IReadOnlyList<MicroBatch>> _ahead = new();

    /// <summary>The micro-batches of a rank; taken out of the cache if they were read ahead.</summary>
    public IReadOnlyList<MicroBatch> Take(SampleIndex index, Step step, RankId rank) =>
        _ahead.TryRemove((index, step, rank), out var batches) ? batches : index.ReadRank(step, rank);

    /// <summary>Reads ranks of a step ahead; what older steps left behind goes.</summary>
    public void ReadAhead(SampleIndex index, Step step, RankRange ranks)
    {
        foreach (var key in _ahead.Keys)
            if (key.Item2.Value < step.Value - 1) _ahead.TryRemove(key, out _);
        for (int rank = ranks.Lo; rank < ranks.Hi && _ahead.Count < Capacity; rank++)
        {
            var id = new RankId(rank);
            if (!_ahead.ContainsKey((index, step, id))) _ahead.TryAdd((index, step, id), index.ReadRank(step, id));
        }
    }
}
