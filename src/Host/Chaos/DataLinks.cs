using System.Net;
using System.Net.Sockets;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Chaos;

/// <summary>
/// Every connection between the nodes' tensor servers of one run goes through here (<c>ELASTICTRAIN_DATA_LINKS</c>), so that links can be cut while the
/// cluster's own links stay healthy. As on a network, what is sent into a cut waits in the sockets' buffers, a connection's end is not seen
/// through it, no new connection comes about, and all of it arrives, in order, when the cut is healed.
/// </summary>
internal sealed class DataLinks : IAsyncDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _names = [];
    private readonly HashSet<(string From, string To)> _cuts = [];
    private readonly HashSet<Task> _running = [];
    private readonly Task _accepting;

    public DataLinks()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Endpoint = (IPEndPoint)_listener.LocalEndPoint!;
        _accepting = AcceptAsync();
    }

    /// <summary>What nodes are told.</summary>
    public IPEndPoint Endpoint { get; }

    /// <summary>From now on nothing gets from one node to another; the other way stays as it is.</summary>
    public void Cut(string from, string to)
    {
        lock (_gate) _cuts.Add((from, to));
    }

    /// <summary>Everything flows again.</summary>
    public void Heal()
    {
        lock (_gate) _cuts.Clear();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        await _accepting.ConfigureAwait(false);
        Task[] running;
        lock (_gate) running = [.. _running];
        await Task.WhenAll(running).ConfigureAwait(false);
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync(_end.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
            lock (_gate)
            {
                _running.RemoveWhere(task => task.IsCompleted);
                _running.Add(ServeAsync(client));
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        {
            try
            {
                client.NoDelay = true;
                string[] words = (await ReadLineAsync(client).ConfigureAwait(false)).Split(' ');
                if (words.Length != 3 || !IPEndPoint.TryParse(words[2], out var target)) throw new InvalidDataException($"found '{string.Join(' ', words)}', expected NAME OWN PEER");
                lock (_gate) _names[words[1]] = words[0];
                await PassAsync(words[0], words[2], bothWays: true).ConfigureAwait(false);
                await server.ConnectAsync(target, _end.Token).ConfigureAwait(false);
                await Task.WhenAll(PumpAsync(client, server, words[0], words[2], isForward: true), PumpAsync(server, client, words[0], words[2], isForward: false)).ConfigureAwait(false);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException or InvalidDataException)
            {
                // Closing both sockets tells both ends.
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, string client, string server, bool isForward)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            int received;
            do
            {
                received = await from.ReceiveAsync(buffer, _end.Token).ConfigureAwait(false);
                await PassAsync(client, server, bothWays: false, isForward).ConfigureAwait(false);
                for (int sent = 0; sent < received;) sent += await to.SendAsync(buffer.AsMemory(sent, received - sent), _end.Token).ConfigureAwait(false);
            }
            while (received > 0);
            to.Shutdown(SocketShutdown.Send);
        }
        catch
        {
            await PassAsync(client, server, bothWays: false, isForward).ConfigureAwait(false);
            // A broken connection is broken for both ends, and for the other direction's pump.
            from.Dispose();
            to.Dispose();
            throw;
        }
    }

    /// <summary>Waits while the way is cut.</summary>
    private async Task PassAsync(string client, string server, bool bothWays, bool isForward = true)
    {
        while (IsCut()) await Task.Delay(Look, _end.Token).ConfigureAwait(false);

        bool IsCut()
        {
            lock (_gate)
            {
                if (_cuts.Count == 0 || !_names.TryGetValue(server, out string? name)) return false;
                bool forward = _cuts.Contains((client, name)), backward = _cuts.Contains((name, client));
                return bothWays ? forward || backward : isForward ? forward : backward;
            }
        }
    }

    private async Task<string> ReadLineAsync(Socket socket)
    {
        var line = new StringBuilder();
        byte[] one = new byte[1];
        // A byte at a time: what follows the line belongs to the server.
        while (line.Length < 200)
        {
            if (await socket.ReceiveAsync(one, _end.Token).ConfigureAwait(false) == 0) break;
            if (one[0] == '\n') return line.ToString();
            line.Append((char)one[0]);
        }
        throw new InvalidDataException($"found '{line}', expected a line");
    }
}
