using ElasticTrain.Actors.Devices;
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
    private bool _loading;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The flat parameters, [layout.TotalLength]; to be read under a lease only.</summary>
    public NativeBuffer Buffer { get; } = new(layout.TotalLength);

    /// <summary>Waits until the buffer holds a version and keeps it so until the lease is disposed.</summary>
    /// <param name="version">The version.</param>
    /// <param name="routes">Where each shard's primary lives, in shard order.</param>
    /// <param name="ct">Ends the wait.</param>
    public async Task<IDisposable> AcquireAsync(Lineage version, IReadOnlyList<ShardRoute> routes, CancellationToken ct)
    {
        while (true)
        {
            Task wait;
            lock (_gate)
            {
                if (!_loading && _version == version)
                {
                    _readers++;
                    return new Lease(this);
                }
                if (!_loading && _readers == 0)
                {
                    _loading = true;
                    _version = null;
                    break;
                }
                wait = _changed.Task;
            }
            await wait.WaitAsync(ct).ConfigureAwait(false);
        }
        bool loaded = false;
        try
        {
            // Every pull ends before the buffer is given up, also after an error: a late one must not write into the next version.
            var pulls = routes.Select(route => PullAsync(version, route, ct)).ToArray();
            await Task.WhenAll(pulls).ConfigureAwait(false);
            loaded = true;
            return new Lease(this);
        }
        finally
        {
            lock (_gate)
            {
                _loading = false;
                if (loaded)
                {
                    _version = version;
                    _readers++;
                }
                Pulse();
            }
        }
    }

    private async Task PullAsync(Lineage version, ShardRoute route, CancellationToken ct)
    {
        var shard = layout.Shards[route.Shard.Value];
        if (route.DataPlane == node.DataPlane)
        {
            await node.Replicas.Get(route.Shard, route.Replica).CopyParametersAsync(version, Buffer, shard.Offset, ct).ConfigureAwait(false);
            return;
        }
        var peer = await node.Peers.GetAsync(route.DataPlane, ct).ConfigureAwait(false);
        await peer.PullAsync(version, route.Shard, route.Replica, Buffer, shard.Offset, shard.Length, ct).ConfigureAwait(false);
    }

    private void Release()
    {
        lock (_gate)
        {
            _readers--;
            Pulse();
        }
    }

    private void Pulse()
    {
        var previous = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        previous.TrySetResult();
    }

    private sealed class Lease(NodeParameters owner) : IDisposable
    {
        private NodeParameters? _owner = owner;

        public void Dispose() => Interlocked.Exchange(ref _owner, null)?.Release();
    }
}
