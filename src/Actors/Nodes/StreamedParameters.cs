using ElasticTrain.Actors.Devices;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>
/// Parameters of which only a window is in memory: each device's pass pulls what it needs from the shards' replicas, segment by segment. The window holds
/// segments of one version; the next version begins with an empty one, when no lease is out, so that no rank ever sees two versions. A replica stays at a
/// version until all its ranks are computed; one that has moved on refuses the pull, and the grant, which is outdated then, fails.
/// </summary>
/// <param name="layout">Parameters and shards.</param>
/// <param name="puller">Brings a shard here.</param>
/// <param name="bytes">Most bytes of parameters in memory, for all devices of the node together.</param>
public sealed class StreamedParameters(ParameterLayout layout, ShardPuller puller, long bytes) : INodeParameters
{
    private readonly Lock _gate = new();
    private readonly HashSet<Lease> _leases = [];
    private readonly PulseSignal _changed = new();
    private ParameterVersion? _version;
    private bool _isChanging;
    private bool _isStopped;

    /// <inheritdoc/>
    public NativeBuffer Buffer => Window.Values;

    /// <summary>What is in memory.</summary>
    public ParameterWindow Window { get; } = new(layout, bytes);

    /// <inheritdoc/>
    public async Task<IParameterLease> AcquireAsync(GrantRanks grant, CancellationToken ct)
    {
        Lease lease = await OpenAsync(grant, ct).ConfigureAwait(false);
        try
        {
            // Every pass begins with the embedding. Its replica may still be at the version before: that is waited for here and not by the device.
            await lease.Session.EnterAsync(ParameterSegment.Embedding).ConfigureAwait(false);
            return lease;
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (_gate)
        {
            _isStopped = true;
            foreach (Lease lease in _leases) lease.Session.Cancel();
        }
    }

    private async Task<Lease> OpenAsync(GrantRanks grant, CancellationToken ct)
    {
        while (true)
        {
            Task wait;
            bool isMine = false;
            lock (_gate)
            {
                foreach (Lease other in _leases)
                {
                    // An outdated grant may wait for parameters that its replicas will never have again.
                    if (GrantOrder.IsOutdated(other.Routes.Grant, grant)) other.Session.Cancel();
                    else other.Routes.Update(grant);
                }
                if (!_isChanging && _version == grant.Parameters)
                {
                    var lease = new Lease(this, grant, ct);
                    _leases.Add(lease);
                    if (_isStopped) lease.Session.Cancel();
                    return lease;
                }
                if (!_isChanging && _leases.Count == 0) isMine = _isChanging = true;
                wait = _changed.Next;
            }
            if (isMine) await ChangeAsync(grant.Parameters).ConfigureAwait(false);
            else await wait.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    private async Task ChangeAsync(ParameterVersion version)
    {
        bool isClear = false;
        try
        {
            await Window.ClearAsync().ConfigureAwait(false);
            isClear = true;
        }
        finally
        {
            lock (_gate)
            {
                _version = isClear ? version : null;
                _isChanging = false;
                _changed.Pulse();
            }
        }
    }

    private async Task PullAsync(PullRoutes routes, ParameterSegment segment, CancellationToken ct)
    {
        using var any = CancellationTokenSource.CreateLinkedTokenSource(ct);
        // All pulls end before the segment is given up, also after an error: a late one must not write into the next version, or where no memory is.
        await Task.WhenAll(segment.Shards.Select(PullShardAsync)).ConfigureAwait(false);

        async Task PullShardAsync(ShardInfo shard)
        {
            try
            {
                await puller.PullAsync(routes.Grant.Input, shard, routes, Buffer, any.Token).ConfigureAwait(false);
            }
            catch
            {
                await any.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    private void Release(Lease lease)
    {
        lock (_gate)
        {
            _leases.Remove(lease);
            _changed.Pulse();
        }
    }

    private sealed class Lease : IParameterLease
    {
        private readonly StreamedParameters _owner;

        public Lease(StreamedParameters owner, GrantRanks grant, CancellationToken ct)
        {
            (_owner, Routes) = (owner, new PullRoutes(grant));
            Session = owner.Window.Open((segment, stop) => owner.PullAsync(Routes, segment, stop), ct);
        }

        public PullRoutes Routes { get; }

        public WindowSession Session { get; }

        public IParameterResidency Residency => Session;

        public void Dispose()
        {
            Session.Dispose();
            _owner.Release(this);
        }
    }
}
