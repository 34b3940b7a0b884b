using System.Net;
using System.Net.Sockets;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>
/// A node's end of the data plane: takes connections, checks frames, and hands them to an <see cref="IDataPlaneHandler"/>. A peer that sends rubbish,
/// stalls or dies costs its own connection and nothing else.
/// </summary>
public sealed class DataPlaneServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly RunId _run;
    private readonly IDataPlaneHandler _handler;
    private readonly DataPlaneOptions _options;
    private readonly BufferPool _pool = new(retainedBytes: 256L << 20);
    private readonly Lock _gate = new();
    private readonly Dictionary<ServerConnection, Task> _connections = [];
    private readonly Task _accepting;
    private bool _disposed;

    /// <summary>Starts to listen.</summary>
    /// <param name="bind">Address and port; port 0 takes a free one.</param>
    /// <param name="run">The run; clients of another are refused.</param>
    /// <param name="handler">Takes the frames.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <exception cref="SocketException">The address cannot be bound.</exception>
    public DataPlaneServer(IPEndPoint bind, RunId run, IDataPlaneHandler handler, DataPlaneOptions? options = null)
    {
        (_run, _handler, _options) = (run, handler, options ?? DataPlaneOptions.Default);
        _listener = new Socket(bind.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            _listener.Bind(bind);
            _listener.Listen();
        }
        catch
        {
            _listener.Dispose();
            throw;
        }
        Endpoint = (IPEndPoint)_listener.LocalEndPoint!;
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>
    /// Raised once for each connection that ends after a good hello: the peer, and what went wrong (null when it closed between frames). All its pulls
    /// have ended by then.
    /// </summary>
    public event Action<EndPoint, Exception?>? ConnectionClosed;

    /// <summary>Where the server listens, with the real port.</summary>
    public IPEndPoint Endpoint { get; }

    /// <summary>Closes all connections and waits until no handler call of this server runs.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] running;
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            _listener.Dispose();
            foreach (var connection in _connections.Keys) connection.Abort();
            running = [.. _connections.Values];
        }
        await _accepting.ConfigureAwait(false);
        await Task.WhenAll(running).ConfigureAwait(false);
        _pool.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync().ConfigureAwait(false);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                lock (_gate)
                {
                    if (_disposed) return;
                }
                // For example: out of file descriptors. Serve those who are there, and try again.
                _options.Log?.Invoke($"data plane {Endpoint}: a connection could not be accepted: {error.Message}");
                await Task.Delay(100).ConfigureAwait(false);
                continue;
            }
            Start(socket);
        }
    }

    private void Start(Socket socket)
    {
        FrameConnection frames;
        try
        {
            frames = new FrameConnection(socket, _options);
        }
        catch (SocketException error)
        {
            // It was reset before it was looked at.
            _options.Log?.Invoke($"data plane {Endpoint}: a connection broke at once: {error.Message}");
            socket.Dispose();
            return;
        }
        lock (_gate)
        {
            if (_disposed || _connections.Count >= _options.MaxConnections)
            {
                _options.Log?.Invoke($"data plane {Endpoint}: {frames.Peer} was turned away, {_connections.Count} connections are open");
                frames.Dispose();
                return;
            }
            var connection = new ServerConnection(frames, _run, _handler, _options, _pool);
            _connections[connection] = Task.Run(() => ServeAsync(connection));
        }
    }

    private async Task ServeAsync(ServerConnection connection)
    {
        var error = await connection.RunAsync().ConfigureAwait(false);
        lock (_gate)
        {
            _connections.Remove(connection);
            if (_disposed) error ??= new DataPlaneConnectionException("The server was stopped.");
        }
        if (error is not null) _options.Log?.Invoke($"data plane {Endpoint}: the connection of {connection.Peer} was closed: {error.Message}");
        if (!connection.SaidHello) return;
        try
        {
            ConnectionClosed?.Invoke(connection.Peer, error);
        }
        catch (Exception failure)
        {
            _options.Log?.Invoke($"data plane {Endpoint}: a {nameof(ConnectionClosed)} handler failed: {failure}");
        }
    }
}
