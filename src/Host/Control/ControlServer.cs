using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Control;

/// <summary>
/// The node's end of the control channel: JSON lines over TCP on loopback. A client must send the token of the node's file; lines, connections and
/// waiting times are bounded, so that garbage and slow clients cost little and harm nobody.
/// </summary>
public sealed class ControlServer : IAsyncDisposable
{
    /// <summary>The longest line either side may send, in bytes.</summary>
    public const int MaxLine = 64 * 1024;

    /// <summary>Connections at a time; one more is closed at once.</summary>
    public const int MaxConnections = 32;

    private static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(30);

    private readonly Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Func<ControlRequest, CancellationToken, Task<ControlReply>> handle;
    private readonly TimeSpan patience;
    private readonly CancellationTokenSource stop = new();
    private readonly HashSet<Task> connections = [];
    private readonly byte[] token;
    private readonly Task accepting;

    /// <summary>Binds and starts to serve.</summary>
    /// <param name="endpoint">A loopback address; port 0 takes a free one.</param>
    /// <param name="handle">Answers a command. Called for several connections at a time.</param>
    /// <exception cref="ArgumentException">The address is not a loopback address: the channel is for users of this machine.</exception>
    /// <exception cref="SocketException">The port cannot be bound.</exception>
    public ControlServer(IPEndPoint endpoint, Func<ControlRequest, CancellationToken, Task<ControlReply>> handle)
        : this(endpoint, handle, DefaultPatience)
    {
    }

    /// <summary>As above, with another bound on how long a silent client keeps its connection.</summary>
    internal ControlServer(IPEndPoint endpoint, Func<ControlRequest, CancellationToken, Task<ControlReply>> handle, TimeSpan patience)
    {
        if (!IPAddress.IsLoopback(endpoint.Address)) throw new ArgumentException($"{endpoint} is not a loopback address.", nameof(endpoint));
        this.handle = handle;
        this.patience = patience;
        Token = NodeFile.NewToken();
        token = Encoding.UTF8.GetBytes(Token);
        listener.Bind(endpoint);
        listener.Listen(MaxConnections);
        Endpoint = (IPEndPoint)listener.LocalEndPoint!;
        accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint Endpoint { get; }

    /// <summary>What a client must send with each command.</summary>
    public string Token { get; }

    /// <summary>Closes the channel; commands in progress are cancelled.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        await accepting;
        Task[] open;
        lock (connections) open = [.. connections];
        await Task.WhenAll(open);
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptAsync(stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // A connection that was reset before it was taken; the listener itself is sound.
                continue;
            }
            lock (connections)
            {
                connections.RemoveWhere(c => c.IsCompleted);
                if (connections.Count >= MaxConnections) socket.Dispose();
                else connections.Add(Task.Run(() => ServeAsync(socket)));
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var lines = new BoundedLineReader(stream, MaxLine);
            while (true)
            {
                ReadOnlyMemory<byte>? line;
                using (CancellationTokenSource waiting = CancellationTokenSource.CreateLinkedTokenSource(stop.Token))
                {
                    waiting.CancelAfter(patience);
                    line = await lines.ReadAsync(waiting.Token);
                }
                if (line is not { } bytes) return;
                (ControlReply reply, bool keep) = await AnswerAsync(bytes);
                await SendAsync(stream, reply);
                if (!keep) return;
            }
        }
        catch (InvalidDataException e)
        {
            await TrySendAsync(stream, ControlReply.Failure(e.Message));
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // The client went away or was silent for too long, or the node ends: nobody is left to be told.
        }
    }

    private async Task<(ControlReply Reply, bool Keep)> AnswerAsync(ReadOnlyMemory<byte> line)
    {
        ControlFrame? frame;
        try
        {
            frame = JsonSerializer.Deserialize<ControlFrame>(line.Span, ControlJson.Options);
        }
        catch (JsonException)
        {
            return (ControlReply.Failure("not a control request: one JSON object a line"), false);
        }
        if (frame?.Token is null || !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(frame.Token), token))
            return (ControlReply.Failure("wrong token"), false);
        if (string.IsNullOrEmpty(frame.Command) || string.IsNullOrEmpty(frame.ClientId))
            return (ControlReply.Failure("a request names its command and its clientId"), false);
        try
        {
            return (await handle(new ControlRequest(frame.Command, frame.Arguments ?? [], frame.ClientId), stop.Token), true);
        }
        catch (ElasticTrainException e)
        {
            return (ControlReply.Failure(e.Message), true);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return (ControlReply.NotNow("the node ends"), false);
        }
        catch (Exception e)
        {
            // A fault in one command must not take the node down; the client gets to see it whole.
            return (ControlReply.Failure($"internal error: {e}"), true);
        }
    }

    private async Task SendAsync(Stream stream, ControlReply reply)
    {
        byte[] line = JsonSerializer.SerializeToUtf8Bytes(reply, ControlJson.Options);
        using CancellationTokenSource sending = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        sending.CancelAfter(patience);
        await stream.WriteAsync(line, sending.Token);
        await stream.WriteAsync("\n"u8.ToArray(), sending.Token);
    }

    private async Task TrySendAsync(Stream stream, ControlReply reply)
    {
        try
        {
            await SendAsync(stream, reply);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // It was a courtesy to a client that broke the rules.
        }
    }
}
