using ElasticTrain.Actors.Devices;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>
/// The one copy of the whole model that a node's devices compute on. It holds one version at a time; a device that computes holds a lease,
/// and the next version is pulled only when no lease is out, so that no rank ever sees two versions.
/// </summary>
/// <param name="layout">Parameters and shards.</param>
/// <param name="node">The node.</param>
public sealed class NodeParameters(ParameterLayout layout, NodeRuntime node)
{
    private readonly Lock _gate = new();
    private Lineage? _version;
    private int _readers;
    private Load? _load;
    private readonly PulseSignal _changed = new();

    /// <summary>The flat parameters, [layout.TotalLength]; to be read under a lease only.</summary>
    public NativeBuffer Buffer { get; } = new(layout.TotalLength);

    /// <summary>Waits until the buffer holds a grant's input version, pulling it if need be; it stays as it is until the lease is disposed.</summary>
    /// <param name="grant">Names the version and where each shard is pulled from.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="DataPlaneRefusedException">A replica cannot serve that version.</exception>
    /// <exception cref="DataPlaneConnectionException">A node that holds a shard cannot be reached.</exception>
    /// <exception cref="OperationCanceledException">Given up, or a later grant needs another version or other replicas: this one is outdated.</exception>
    public async Task<IDisposable> AcquireAsync(GrantRanks grant, CancellationToken ct)
    {
        Load load;
        while (true)
        {
            Task wait;
            lock (_gate)
            {
                if (_load is null && _version == grant.Input)
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
                // An outdated grant may wait for a version that its replica will never reach.
                if (_load is { } other && other.IsOutdatedBy(grant)) _ = other.Cancellation.CancelAsync();
                wait = _changed.Next;
            }
            await wait.WaitAsync(ct).ConfigureAwait(false);
        }
        bool loaded = false;
        try
        {
            using var registration = ct.UnsafeRegister(_ => load.Cancellation.Cancel(), null);
            // Every pull ends before the buffer is given up, also after an error: a late one must not write into the next version.
            var pulls = grant.Routes.Select(route => PullAsync(load, route)).ToArray();
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
                    _version = grant.Input;
                    _readers++;
                }
                _changed.Pulse();
            }
        }
    }

    private async Task PullAsync(Load load, ShardRoute route)
    {
        var (version, ct) = (load.Grant.Input, load.Cancellation.Token);
        var shard = layout.Shards[route.Shard.Value];
        try
        {
            if (route.DataPlane == node.DataPlane)
            {
                await node.Replicas.Get(route.Shard, route.Replica).CopyParametersAsync(version, Buffer, shard.Offset, ct).ConfigureAwait(false);
                return;
            }
            var peer = await node.Peers.GetAsync(route.DataPlane, ct).ConfigureAwait(false);
            await peer.PullAsync(version, route.Shard, route.Replica, Buffer, shard.Offset, shard.Length, ct).ConfigureAwait(false);
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
        public GrantRanks Grant { get; } = grant;

        public CancellationTokenSource Cancellation { get; } = new();

        public bool IsOutdatedBy(GrantRanks other) =>
            (other.Input != Grant.Input || !other.Routes.SequenceEqual(Grant.Routes))
            && (other.Term.Value > Grant.Term.Value || (other.Term == Grant.Term && other.GrantId > Grant.GrantId));
    }

    private sealed class Lease(NodeParameters owner) : IDisposable
    {
        private NodeParameters? _owner = owner;

        public void Dispose() => Interlocked.Exchange(ref _owner, null)?.Release();
    }
}
