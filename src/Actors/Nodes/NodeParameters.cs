using ElasticTrain.Actors.Devices;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>The parameters that a node's devices compute on.</summary>
public interface INodeParameters
{
    /// <summary>The flat parameters, [layout.TotalLength]; to be read under a lease only.</summary>
    NativeBuffer Buffer { get; }

    /// <summary>Waits until a grant's input version can be computed on; no other takes its place until the lease is disposed.</summary>
    /// <param name="grant">Names the version and where each shard is pulled from.</param>
    /// <param name="ct">Gives up; also later, where the lease streams.</param>
    /// <exception cref="DataPlaneRefusedException">A replica cannot serve that version.</exception>
    /// <exception cref="DataPlaneConnectionException">A node that holds a shard cannot be reached.</exception>
    /// <exception cref="OperationCanceledException">Given up, or a later grant needs another version: this one is outdated.</exception>
    Task<IParameterLease> AcquireAsync(GrantRanks grant, CancellationToken ct);

    /// <summary>Fails whatever waits for parameters: the node ends.</summary>
    void Stop();
}

/// <summary>The right to compute on one version of the parameters.</summary>
public interface IParameterLease : IDisposable
{
    /// <summary>To be told which parameters are needed when; null where all of them are in memory.</summary>
    IParameterResidency? Residency { get; }
}

/// <summary>
/// The one copy of the whole model that a node's devices compute on. It holds one version at a time; a device that computes holds a lease,
/// and the next version is pulled only when no lease is out, so that no rank ever sees two versions.
/// </summary>
/// <param name="layout">Parameters and shards.</param>
/// <param name="puller">Brings a shard here.</param>
public sealed class NodeParameters(ParameterLayout layout, ShardPuller puller) : INodeParameters
{
    private readonly Lock _gate = new();
    private ParameterVersion? _version;
    private int _readers;
    private Load? _load;
    private readonly PulseSignal _changed = new();

    /// <inheritdoc/>
    public NativeBuffer Buffer { get; } = new(layout.TotalLength);

    /// <inheritdoc/>
    public async Task<IParameterLease> AcquireAsync(GrantRanks grant, CancellationToken ct)
    {
        Load load;
        while (true)
        {
            Task wait;
            lock (_gate)
            {
                if (_load is null && _version == grant.Parameters)
                {
                    _readers++;
                    return new Lease(this);
                }
                if (_load is null && _readers == 0)
                {
                    _load = load = new Load(grant);
                    _version = null;
                    break;
                }
                if (_load is { } other)
                {
                    // An outdated grant may wait for a version that its replicas will never reach.
                    if (GrantOrder.IsOutdated(other.Routes.Grant, grant)) _ = other.Cancellation.CancelAsync();
                    else other.Routes.Update(grant);
                }
                wait = _changed.Next;
            }
            await wait.WaitAsync(ct).ConfigureAwait(false);
        }
        bool loaded = false;
        try
        {
            using var registration = ct.UnsafeRegister(_ => load.Cancellation.Cancel(), null);
            // Every pull ends before the buffer is given up, also after an error: a late one must not write into the next version.
            var pulls = layout.Shards.Select(shard => PullAsync(load, shard)).ToArray();
            await Task.WhenAll(pulls).ConfigureAwait(false);
            loaded = true;
            return new Lease(this);
        }
        finally
        {
            lock (_gate)
            {
                _load = null;
                if (loaded)
                {
                    _version = grant.Parameters;
                    _readers++;
                }
                _changed.Pulse();
            }
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (_gate) _ = _load?.Cancellation.CancelAsync();
    }

    private async Task PullAsync(Load load, ShardInfo shard)
    {
        try
        {
            await puller.PullAsync(load.Version, shard, load.Routes, Buffer, load.Cancellation.Token).ConfigureAwait(false);
        }
        catch
        {
            // One failure fails the load: the others need not wait for a version that may never come.
            _ = load.Cancellation.CancelAsync();
            throw;
        }
    }

    private void Release()
    {
        lock (_gate)
        {
            _readers--;
            _changed.Pulse();
        }
    }

    private sealed class Load(GrantRanks grant)
    {
        public Lineage Version => Routes.Grant.Input;

        public PullRoutes Routes { get; } = new(grant);

        public CancellationTokenSource Cancellation { get; } = new();
    }

    private sealed class Lease(NodeParameters owner) : IParameterLease
    {
        private NodeParameters? _owner = owner;

        public IParameterResidency? Residency => null;

        public void Dispose() => Interlocked.Exchange(ref _owner, null)?.Release();
    }
}
