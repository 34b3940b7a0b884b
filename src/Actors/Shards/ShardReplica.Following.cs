using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>What a replica gives to a new one of its shard, which is made from it and follows it.</summary>
public sealed partial class ShardReplica
{
    /// <summary>Steps kept for followers.</summary>
    public int RetainedStepCount
    {
        get { lock (_gate) return _retained.Count; }
    }

    /// <summary>Copies parameters, first and second moments, one after another, while training goes on. From now on steps are kept for whoever follows.</summary>
    /// <returns>The copy, [3 * length], or [length] where the moments were dropped, which the caller disposes before it calls <c>Release</c>, and the version that it holds.</returns>
    /// <exception cref="DataPlaneRefusedException">The replica was stopped.</exception>
    public (NativeBuffer State, Lineage Version, Action Release) CopyState()
    {
        int length = _state.Info.Length;
        _tensors.EnterReadLock();
        var copy = new NativeBuffer(length + _state.Moment1.Length + _state.Moment2.Length);
        try
        {
            Lineage version;
            lock (_gate)
            {
                RequireRunning();
                version = _applied;
                _retained.BeginCopy();
            }
            _state.Parameters.Span.CopyTo(copy.Slice(0, length));
            _state.Moment1.Span.CopyTo(copy.Slice(length, (int)_state.Moment1.Length));
            _state.Moment2.Span.CopyTo(copy.Slice(copy.Length - _state.Moment2.Length, (int)_state.Moment2.Length));
            return (copy, version, EndCopy);
        }
        catch
        {
            copy.Dispose();
            throw;
        }
        finally
        {
            _tensors.ExitReadLock();
        }
    }

    /// <summary>Waits until the sum of a step is complete and lends it.</summary>
    /// <param name="input">The version that the step starts from.</param>
    /// <param name="attempt">The attempt at the step.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <returns>The sum, [length], its digest, and what gives it back.</returns>
    /// <exception cref="DataPlaneRefusedException">The step is past and not kept, or belongs to another history or to an earlier attempt, or the replica was stopped.</exception>
    public async Task<(NativeBuffer Sum, UInt128 Digest, Action Release)> BorrowGradientAsync(Lineage input, Attempt attempt, CancellationToken ct)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                RequireRunning();
                _retained.Touch();
                var round = input == _applied ? _round : _retained.After(input)?.Round;
                if (round?.Attempt > attempt) throw new DataPlaneRefusedException($"{Shard}~{Replica} has attempt {round.Attempt} at step {input.Step.Next}, not {attempt}");
                if (round?.Attempt == attempt && round.Statistics is { } statistics)
                {
                    round.Enter();
                    return (round.Reducer.Sum!, statistics.Digest, () => Return(round));
                }
                RequireAhead(input, "has not kept the gradient of the step after");
                changed = _sealedOrMoved.Next;
            }
            await changed.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    /// <summary>The decision that led on from a version; null if it is not kept. To ask is to follow.</summary>
    public ApplyStep? StepAfter(Lineage version)
    {
        lock (_gate)
        {
            _retained.Touch();
            return _retained.After(version)?.Step;
        }
    }

    private void EndCopy()
    {
        lock (_gate) _retained.EndCopy();
    }

    private void Return(ReplicaRound round)
    {
        lock (_gate) round.Leave();
    }
}
