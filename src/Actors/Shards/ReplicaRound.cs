using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>The sum of one step's gradient, and who uses it. Belongs to the lock of its <see cref="ShardReplica"/>, except for the reducer.</summary>
/// <param name="input">The version that the gradient is computed on.</param>
/// <param name="attempt">The attempt at the step.</param>
/// <param name="reducer">The sum; a reducer of its own for every step, so that a late duplicate meets the old one.</param>
internal sealed class ReplicaRound(Lineage input, Attempt attempt, TreeReducer reducer)
{
    private int _users;
    private bool _isRetired;

    public Lineage Input { get; } = input;

    public Attempt Attempt { get; } = attempt;

    public TreeReducer Reducer { get; } = reducer;

    /// <summary>What the complete sum looks like; null until then.</summary>
    public (double SumOfSquares, bool Finite, UInt128 Digest)? Statistics { get; set; }

    /// <summary>Nobody adds to it any more, except those who have entered.</summary>
    public bool IsRetired => _isRetired;

    /// <summary>Keeps the buffers.</summary>
    public void Enter() => _users++;

    /// <summary>Ends one <see cref="Enter"/>. The last one of a retired round gives the buffers back.</summary>
    public void Leave()
    {
        _users--;
        Free();
    }

    /// <summary>Ends the round. The buffers go back as soon as nobody uses them.</summary>
    public void Retire()
    {
        _isRetired = true;
        Free();
    }

    private void Free()
    {
        if (_isRetired && _users == 0) Reducer.Reset();
    }
}
