using System.Net;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Nodes;

/// <summary>One tensor connection to each other node, made when first needed and made again after it broke.</summary>
/// <param name="run">The run that both ends must belong to.</param>
/// <param name="options">Limits of the connections, and how they are made; null for the defaults.</param>
public sealed class PeerConnections(RunId run, DataPlaneOptions? options = null) : IAsyncDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Task<DataPlaneClient>> _clients = [];

    /// <summary>The connection to an endpoint.</summary>
    /// <param name="endpoint">host:port.</param>
    /// <param name="ct">Ends the wait, not the connection.</param>
    public Task<DataPlaneClient> GetAsync(string endpoint, CancellationToken ct)
    {
        lock (_gate)
        {
            if (!_clients.TryGetValue(endpoint, out var client) || client.IsFaulted || client.IsCanceled || (client.IsCompletedSuccessfully && client.Result.IsClosed))
                _clients[endpoint] = client = ConnectAsync(endpoint);
            return client.WaitAsync(ct);
        }
    }

    /// <summary>A connection of the caller's own, for what would keep others waiting on the shared one.</summary>
    /// <param name="endpoint">host:port.</param>
    /// <param name="ct">Gives up.</param>
    public Task<DataPlaneClient> OpenAsync(string endpoint, CancellationToken ct) => DataPlaneClient.ConnectAsync(IPEndPoint.Parse(endpoint), run, ConnectTimeout, options, ct);

    /// <summary>Tells, once, when the connection to an endpoint is there, and once when it is gone or cannot be made.</summary>
    /// <param name="endpoint">host:port.</param>
    /// <param name="up">It is there.</param>
    /// <param name="lost">It is not, or not any more: whether it was there, and what happened.</param>
    public void Watch(string endpoint, Action up, Action<bool, string> lost) => GetAsync(endpoint, CancellationToken.None).ContinueWith(
        connecting =>
        {
            if (!connecting.IsCompletedSuccessfully)
            {
                lost(false, connecting.Exception?.GetBaseException().Message ?? "no connection");
                return;
            }
            up();
            connecting.Result.Closed += error => lost(true, error?.Message ?? "closed here");
        },
        TaskScheduler.Default);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        List<Task<DataPlaneClient>> clients;
        lock (_gate)
        {
            clients = [.. _clients.Values];
            _clients.Clear();
        }
        foreach (var client in clients)
            if (client.IsCompletedSuccessfully) await client.Result.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<DataPlaneClient> ConnectAsync(string endpoint)
    {
        var client = await DataPlaneClient.ConnectAsync(IPEndPoint.Parse(endpoint), run, ConnectTimeout, options).ConfigureAwait(false);
        client.Closed += _ =>
        {
            lock (_gate)
                if (_clients.TryGetValue(endpoint, out var current) && current.IsCompletedSuccessfully && current.Result == client)
                    _clients.Remove(endpoint);
        };
        return client;
    }
}
