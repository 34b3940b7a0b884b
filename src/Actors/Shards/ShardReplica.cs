using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// A live replica: the shard's state, the reducer of the step in progress, and the version that it serves. Thread-safe, because devices
/// of this node and sockets contribute and pull at the same time; its entity actor decides when a step is applied.
/// </summary>
public sealed class ShardReplica : IDisposable
{
    private const int RememberedVersions = 64;

    private readonly Lock _gate = new();
    private readonly ReaderWriterLockSlim _tensors = new();
    private readonly Queue<Lineage> _past = new();
    private readonly HashSet<Lineage> _pastSet = [];
    private readonly int _virtualRanks;
    private readonly BufferPool _pool;
    private readonly Action<GradientSealed> _onSealed;
    private readonly ShardState _state;
    private Round _round;
    private readonly PulseSignal _changed = new();
    private Lineage _applied;
    private GradientSealed? _seal;
    private bool _stopped;

    /// <summary>Starts serving a loaded state.</summary>
    /// <param name="state">The tensors; owned from now on.</param>
    /// <param name="replica">The replica's number.</param>
    /// <param name="version">The version that <paramref name="state"/> holds.</param>
    /// <param name="virtualRanks">V.</param>
    /// <param name="pool">Where reduction buffers come from.</param>
    /// <param name="onSealed">Called once per step, from the thread that completed the sum.</param>
    public ShardReplica(ShardState state, ReplicaId replica, Lineage version, int virtualRanks, BufferPool pool, Action<GradientSealed> onSealed)
    {
        _state = state;
        Replica = replica;
        _applied = version;
        _virtualRanks = virtualRanks;
        _pool = pool;
        _onSealed = onSealed;
        _round = NewRound();
    }

    /// <summary>The shard.</summary>
    public ShardId Shard => _state.Info.Id;

    /// <summary>The replica's number.</summary>
    public ReplicaId Replica { get; }

    /// <summary>The version it has.</summary>
    public Lineage Applied
    {
        get { lock (_gate) return _applied; }
    }

    /// <summary>The seal of the step in progress; null until the sum is complete.</summary>
    public GradientSealed? Seal
    {
        get { lock (_gate) return _seal; }
    }

    /// <summary>Adds a block of ranks to the step in progress. A block of a step already applied is dropped: it carries the same bits.</summary>
    /// <param name="input">The version that the gradient was computed on.</param>
    /// <param name="block">An aligned block of the reduction tree.</param>
    /// <param name="values">The block's sum, [length]; ignored for a marker.</param>
    /// <param name="marker">The block's tokens missed this shard: +0.0 everywhere.</param>
    /// <exception cref="DataPlaneRefusedException">The version belongs to another history, or is not here yet.</exception>
    /// <exception cref="ContributionMismatchException">The ranks were contributed before, with other values; shard and step are named.</exception>
    public void Contribute(Lineage input, RankRange block, ReadOnlySpan<float> values, bool marker)
    {
        Round round;
        lock (_gate)
        {
            if (_stopped) throw new DataPlaneRefusedException($"{Shard}~{Replica} was stopped");
            if (input != _applied)
            {
                if (_pastSet.Contains(input)) return;
                throw new DataPlaneRefusedException(
                    $"{Shard}~{Replica} refuses a contribution of lineage {input.Step}:{input.Digest}: it is at {_applied.Step}:{_applied.Digest}");
            }
            // A reducer of its own for every step: a late duplicate that passed this check meets the old one.
            round = _round;
            round.Users++;
        }
        try
        {
            var outcome = marker ? round.Reducer.ContributeMarker(block) : round.Reducer.Contribute(block, values);
            if (outcome != ContributionOutcome.Completed) return;
            var (sumOfSquares, finite, digest) = GradientStatistics.Of(round.Reducer.Sum!.Span, round.Reducer.SumDigest);
            var seal = new GradientSealed(Shard, Replica, input, sumOfSquares, finite, digest);
            lock (_gate)
            {
                if (round.Retired) return;
                _seal = seal;
            }
            _onSealed(seal);
        }
        catch (ContributionMismatchException mismatch)
        {
            throw mismatch.At($"{Shard}~{Replica}, step {input.Step.Next}");
        }
        finally
        {
            bool last;
            lock (_gate) last = --round.Users == 0 && round.Retired;
            if (last) round.Reducer.Reset();
        }
    }

    /// <summary>Applies a decided step.</summary>
    /// <returns>Checksum of the new state.</returns>
    /// <exception cref="InvalidOperationException">The decision does not follow the version that this replica has, or its gradient is not sealed.</exception>
    public ulong Apply(ApplyStep step)
    {
        bool frozen = Model.ParameterLayout.IsFrozen(_state.Info, step.FrozenPrefix);
        Round round;
        lock (_gate)
        {
            if (step.Input != _applied) throw new InvalidOperationException($"{Shard}~{Replica} is at {_applied}; the decision follows {step.Input}.");
            if (!frozen && _seal is null) throw new InvalidOperationException($"{Shard}~{Replica} has not sealed step {step.Output.Step}.");
            round = _round;
        }
        ulong checksum;
        bool unused;
        _tensors.EnterWriteLock();
        try
        {
            checksum = _state.Apply(step, frozen ? default : round.Reducer.Sum!.Span);
            lock (_gate)
            {
                Remember(_applied);
                _applied = step.Output;
                _seal = null;
                unused = Retire();
                _round = NewRound();
                _changed.Pulse();
            }
        }
        finally
        {
            _tensors.ExitWriteLock();
        }
        if (unused) round.Reducer.Reset();
        return checksum;
    }

    /// <summary>Copies the parameters of a version, waiting until the replica has it.</summary>
    /// <param name="version">The version.</param>
    /// <param name="destination">Receives the shard's parameters.</param>
    /// <param name="offset">Where in <paramref name="destination"/>.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="DataPlaneRefusedException">The replica went past that version, or was stopped.</exception>
    public async Task CopyParametersAsync(Lineage version, NativeBuffer destination, long offset, CancellationToken ct)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_stopped) throw new DataPlaneRefusedException($"{Shard}~{Replica} was stopped");
                if (_applied.Step > version.Step || (_applied.Step == version.Step && _applied != version))
                    throw new DataPlaneRefusedException($"{Shard}~{Replica} cannot serve {version}: it is at {_applied}");
                changed = _changed.Next;
            }
            if (TryCopy(version, destination, offset)) return;
            await changed.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    /// <summary>Copies parameters and moments as they are at a version.</summary>
    /// <exception cref="InvalidOperationException">The replica has another version.</exception>
    public (NativeBuffer Parameters, NativeBuffer Moment1, NativeBuffer Moment2) Snapshot(Lineage version)
    {
        _tensors.EnterReadLock();
        try
        {
            if (Applied != version) throw new InvalidOperationException($"{Shard}~{Replica} is at {Applied}, not at {version}.");
            return (Copy(_state.Parameters), Copy(_state.Moment1), Copy(_state.Moment2));
        }
        finally
        {
            _tensors.ExitReadLock();
        }
    }

    /// <summary>Refuses everything from now on and frees the tensors.</summary>
    public void Dispose()
    {
        bool unused;
        lock (_gate)
        {
            if (_stopped) return;
            _stopped = true;
            unused = Retire();
            _changed.Pulse();
        }
        if (unused) _round.Reducer.Reset();
        _tensors.EnterWriteLock();
        try
        {
            _state.Dispose();
        }
        finally
        {
            _tensors.ExitWriteLock();
        }
    }

    private bool TryCopy(Lineage version, NativeBuffer destination, long offset)
    {
        _tensors.EnterReadLock();
        try
        {
            lock (_gate)
                if (_stopped || _applied != version) return false;
            _state.Parameters.Span.CopyTo(destination.Slice(offset, _state.Info.Length));
            return true;
        }
        finally
        {
            _tensors.ExitReadLock();
        }
    }

    private Round NewRound() => new(new TreeReducer(_virtualRanks, _state.Info.Length, _pool));

    /// <summary>Ends the step in progress; true when nobody uses its reducer any more. Otherwise the last user gives its buffers back.</summary>
    private bool Retire()
    {
        _round.Retired = true;
        return _round.Users == 0;
    }

    private void Remember(Lineage version)
    {
        _past.Enqueue(version);
        _pastSet.Add(version);
        if (_past.Count > RememberedVersions) _pastSet.Remove(_past.Dequeue());
    }

    private static NativeBuffer Copy(NativeBuffer source)
    {
        var copy = new NativeBuffer(source.Length);
        source.Span.CopyTo(copy.Span);
        return copy;
    }

    /// <summary>The reducer of one step, and who is in it.</summary>
    private sealed class Round(TreeReducer reducer)
    {
        public TreeReducer Reducer { get; } = reducer;

        public int Users { get; set; }

        public bool Retired { get; set; }
    }
}
