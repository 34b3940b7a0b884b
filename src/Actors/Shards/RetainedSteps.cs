using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// The last steps that a replica has applied, decision and sum, for those who follow it; empty while nobody does. Belongs to its replica's lock, which the
/// timer takes as well.
/// </summary>
internal sealed class RetainedSteps : IDisposable
{
    /// <summary>Most steps kept: a small model applies this many while a copy is on its way.</summary>
    public const int MostSteps = 256;

    /// <summary>Steps that are kept whatever their size, so that a large shard can be followed at all.</summary>
    public const int FewestSteps = 2;

    /// <summary>Most bytes of gradients kept beyond <see cref="FewestSteps"/>.</summary>
    public const long MostBytes = 256L << 20;

    /// <summary>How long after the last question nobody follows any more.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Queue<(ApplyStep Step, ReplicaRound? Round)> _steps = new();
    private readonly Lock _gate;
    private readonly ITimer _patience;
    private readonly long _gradientBytes;
    private bool _isFollowed, _isDisposed;
    private int _copies;
    private long _bytes;

    /// <param name="gate">The replica's lock.</param>
    /// <param name="gradientBytes">Of one step.</param>
    /// <param name="time">The clock.</param>
    public RetainedSteps(Lock gate, long gradientBytes, TimeProvider time)
    {
        (_gate, _gradientBytes) = (gate, gradientBytes);
        _patience = time.CreateTimer(_ => RunOut(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Steps kept now.</summary>
    public int Count => _steps.Count;

    /// <summary>Somebody follows: from now on applied steps are kept.</summary>
    public void Touch()
    {
        if (_isDisposed) return;
        _isFollowed = true;
        _patience.Change(Patience, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A copy of the state is on its way to somebody who will follow, however long it takes.</summary>
    public void BeginCopy()
    {
        _copies++;
        Touch();
    }

    /// <summary>The copy has arrived, or not.</summary>
    public void EndCopy()
    {
        _copies--;
        Touch();
    }

    /// <summary>Keeps an applied step if anybody follows.</summary>
    /// <param name="step">The decision.</param>
    /// <param name="round">Its sum; null where the shard was frozen.</param>
    public void Add(ApplyStep step, ReplicaRound? round)
    {
        if (!_isFollowed) return;
        round?.Enter();
        _steps.Enqueue((step, round));
        if (round is not null) _bytes += _gradientBytes;
        while (_steps.Count > MostSteps || (_bytes > MostBytes && _steps.Count > FewestSteps)) Drop();
    }

    /// <summary>The step that leads on from a version; null if it is not kept.</summary>
    public (ApplyStep Step, ReplicaRound? Round)? After(Lineage version)
    {
        foreach (var entry in _steps)
            if (entry.Step.Input == version) return entry;
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isDisposed = true;
        _patience.Dispose();
        Clear();
    }

    private void RunOut()
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            if (_copies > 0) Touch();
            else Clear();
        }
    }

    private void Clear()
    {
        _isFollowed = false;
        while (_steps.Count > 0) Drop();
    }

    private void Drop()
    {
        if (_steps.Dequeue().Round is not { } round) return;
        _bytes -= _gradientBytes;
        round.Leave();
    }
}
