using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// A live replica: the shard's state, the sums of the step in progress and of the one after it, and the version that it serves. Thread-safe, because devices
/// of this node and sockets contribute and pull at the same time; its entity actor decides when a step is applied.
/// </summary>
public sealed partial class ShardReplica : IDisposable
{
    private const int RememberedVersions = 64;

    /// <summary>Histories of the next step that are collected: one is the run's, another one may come from a device that heard of a coordinator deposed since.</summary>
    private const int RoundsAhead = 2;

    private readonly Lock _gate = new();
    private readonly ReaderWriterLockSlim _tensors = new();
    private readonly Queue<Lineage> _past = new();
    private readonly HashSet<Lineage> _pastSet = [];
    private readonly List<ReplicaRound> _ahead = [];
    private readonly RetainedSteps _retained;
    private readonly int _virtualRanks;
    private readonly BufferPool _pool;
    private readonly Action<GradientSealed> _onSealed;
    private readonly ShardState _state;
    private readonly PulseSignal _moved = new(), _sealedOrMoved = new();
    private ReplicaRound _round;
    private Lineage _applied;
    private ulong? _stateChecksum;
    private GradientSealed? _seal;
    private bool _stopped;

    /// <summary>Starts serving a loaded state.</summary>
    /// <param name="state">The tensors; owned from now on.</param>
    /// <param name="replica">The replica's number.</param>
    /// <param name="version">The version that <paramref name="state"/> holds.</param>
    /// <param name="virtualRanks">V.</param>
    /// <param name="pool">Where reduction buffers come from.</param>
    /// <param name="onSealed">Called once per step whose input version the replica has, from the thread that completed the sum or got it to that version.</param>
    /// <param name="time">The clock by which followers are given up; null for the system's.</param>
    public ShardReplica(
        ShardState state, ReplicaId replica, Lineage version, int virtualRanks, BufferPool pool, Action<GradientSealed> onSealed, TimeProvider? time = null)
    {
        _state = state;
        Replica = replica;
        _applied = version;
        _virtualRanks = virtualRanks;
        _pool = pool;
        _onSealed = onSealed;
        _round = NewRound(version, default);
        _retained = new RetainedSteps(_gate, (long)state.Info.Length * sizeof(float), time ?? TimeProvider.System);
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

    /// <summary>
    /// Adds a block of ranks to the step in progress, or to the next one: a sibling that was faster may have served its input version already. A block of a
    /// step already applied is dropped, and so is one of an attempt that a later one has taken the place of; the first one of a later attempt clears the sum.
    /// </summary>
    /// <param name="input">The version that the gradient was computed on.</param>
    /// <param name="block">An aligned block of the reduction tree.</param>
    /// <param name="values">The block's sum, [length]; ignored for a marker.</param>
    /// <param name="marker">The block's tokens missed this shard: +0.0 everywhere.</param>
    /// <param name="attempt">The attempt at the step.</param>
    /// <exception cref="DataPlaneRefusedException">The version belongs to another history, or will not be here soon.</exception>
    /// <exception cref="ContributionMismatchException">The ranks were contributed before, with other values; shard and step are named.</exception>
    public void Contribute(Lineage input, RankRange block, ReadOnlySpan<float> values, bool marker, Attempt attempt = default)
    {
        if (Enter(input, attempt) is not { } round) return;
        try
        {
            var outcome = marker ? round.Reducer.ContributeMarker(block) : round.Reducer.Contribute(block, values);
            if (outcome == ContributionOutcome.Completed) Complete(round);
        }
        catch (ContributionMismatchException mismatch)
        {
            throw mismatch.At($"{Shard}~{Replica}, step {input.Step.Next}");
        }
        finally
        {
            lock (_gate) round.Leave();
        }
    }

    /// <summary>Applies a decided step.</summary>
    /// <returns>Checksum of the new state; 0 where nothing was computed.</returns>
    /// <exception cref="InvalidOperationException">The decision does not follow the version that this replica has, or its gradient is not sealed.</exception>
    public ulong Apply(ApplyStep step)
    {
        bool frozen = Model.ParameterLayout.IsFrozen(_state.Info, step.FrozenPrefix);
        ReplicaRound round;
        lock (_gate)
        {
            if (step.Input != _applied) throw new InvalidOperationException($"{Shard}~{Replica} is at {_applied}; the decision follows {step.Input}.");
            if (!frozen && _seal?.Attempt != step.Attempt) throw new InvalidOperationException($"{Shard}~{Replica} has not sealed step {step.Output.Step} in attempt {step.Attempt}.");
            round = _round;
            // A contribution of a later attempt must not take the sum away while it is used.
            round.Enter();
        }
        ulong checksum;
        GradientSealed? seal;
        _tensors.EnterWriteLock();
        try
        {
            checksum = _state.Apply(step, frozen ? default : round.Reducer.Sum!.Span);
            lock (_gate)
            {
                Remember(_applied);
                _applied = step.Output;
                if (!frozen && !step.Decision.Skipped) _stateChecksum = checksum;
                _retained.Add(step, frozen ? null : round);
                _round.Retire();
                round.Retire();
                _round = TakeAhead(step.Output);
                seal = _seal = SealOf(_round);
                _moved.Pulse();
                _sealedOrMoved.Pulse();
            }
        }
        finally
        {
            _tensors.ExitWriteLock();
            lock (_gate) round.Leave();
        }
        if (seal is not null) _onSealed(seal);
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
            Task moved;
            lock (_gate)
            {
                RequireRunning();
                RequireAhead(version, "cannot serve");
                moved = _moved.Next;
            }
            if (TryCopy(version, destination, offset)) return;
            await moved.WaitAsync(ct).ConfigureAwait(false);
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
        lock (_gate)
        {
            if (_stopped) return;
            _stopped = true;
            _round.Retire();
            foreach (var round in _ahead) round.Retire();
            _ahead.Clear();
            _retained.Dispose();
            _moved.Pulse();
            _sealedOrMoved.Pulse();
        }
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

    /// <summary>The round that a contribution belongs to; null if its step is applied already, or a later attempt at it is being made.</summary>
    private ReplicaRound? Enter(Lineage input, Attempt attempt)
    {
        lock (_gate)
        {
            RequireRunning();
            if (_pastSet.Contains(input)) return null;
            var round = input == _applied ? Current(attempt) : input.Step == _applied.Step.Next ? Ahead(input, attempt) : throw new DataPlaneRefusedException(
                $"{Shard}~{Replica} refuses a contribution of lineage {input.Step}:{input.Digest}: it is at {_applied.Step}:{_applied.Digest}");
            if (round.Attempt > attempt) return null;
            round.Enter();
            return round;
        }
    }

    private ReplicaRound Current(Attempt attempt)
    {
        if (_round.Attempt >= attempt) return _round;
        _round.Retire();
        _seal = null;
        return _round = NewRound(_applied, attempt);
    }

    private ReplicaRound Ahead(Lineage input, Attempt attempt)
    {
        if (_ahead.Find(round => round.Input == input) is { } known)
        {
            if (known.Attempt >= attempt) return known;
            known.Retire();
            _ahead.Remove(known);
        }
        if (_ahead.Count == RoundsAhead)
        {
            _ahead[0].Retire();
            _ahead.RemoveAt(0);
        }
        var added = NewRound(input, attempt);
        _ahead.Add(added);
        return added;
    }

    /// <summary>The round of the version that the replica has got to; the others will never be wanted.</summary>
    private ReplicaRound TakeAhead(Lineage version)
    {
        var next = _ahead.Find(round => round.Input == version);
        foreach (var round in _ahead)
            if (round != next) round.Retire();
        _ahead.Clear();
        return next ?? NewRound(version, default);
    }

    private void Complete(ReplicaRound round)
    {
        var statistics = GradientStatistics.Of(round.Reducer.Sum!.Span, round.Reducer.SumDigest);
        GradientSealed? seal = null;
        lock (_gate)
        {
            if (round.IsRetired) return;
            round.Statistics = statistics;
            if (round == _round)
            {
                // A round ahead is reported with the state's checksum, when the replica has that state.
                seal = _seal = SealOf(round);
                _sealedOrMoved.Pulse();
            }
        }
        if (seal is not null) _onSealed(seal);
    }

    private GradientSealed? SealOf(ReplicaRound round) => round.Statistics is not { } found ? null
        : new GradientSealed(Shard, Replica, round.Input, found.SumOfSquares, found.Finite, found.Digest) { StateChecksum = _stateChecksum, Attempt = round.Attempt };

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

    private void RequireRunning()
    {
        if (_stopped) throw new DataPlaneRefusedException($"{Shard}~{Replica} was stopped");
    }

    /// <summary>Refuses a version that the replica will never have again.</summary>
    private void RequireAhead(Lineage version, string cannot)
    {
        if (_applied.Step > version.Step || (_applied.Step == version.Step && _applied != version))
            throw new DataPlaneRefusedException($"{Shard}~{Replica} {cannot} {version}: it is at {_applied}");
    }

    private ReplicaRound NewRound(Lineage input, Attempt attempt) => new(input, attempt, new TreeReducer(_virtualRanks, _state.Info.Length, _pool));

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
}
