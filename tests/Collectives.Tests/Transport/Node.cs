using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives.Tests.Transport;

/// <summary>A server whose handler is given as functions, and what it logged.</summary>
internal sealed class Node : IDataPlaneHandler, IAsyncDisposable
{
    public static readonly RunId Run = new(Guid.Parse("11111111-2222-3333-4444-555555555555"));
    public static readonly Lineage Version = new(new Step(1), Digest256.Of("one"));
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private readonly ConcurrentQueue<string> _log = new();
    private readonly SemaphoreSlim _closed = new(0);

    public Node(DataPlaneOptions? options = null)
    {
        Server = new DataPlaneServer(new IPEndPoint(IPAddress.Loopback, 0), Run, this, (options ?? new()) with { Log = _log.Enqueue });
        Server.ConnectionClosed += (_, error) =>
        {
            Closings.Enqueue(error);
            _closed.Release();
        };
    }

    public delegate void Contribution(in FrameHeader header, ReadOnlySpan<float> payload);

    public DataPlaneServer Server { get; }

    public Contribution Contributed { get; set; } = (in FrameHeader _, ReadOnlySpan<float> _) => { };

    public Func<FrameHeader, CancellationToken, ValueTask<PullResult>> Pulled { get; set; } = (_, _) => throw new DataPlaneRefusedException("no parameters here");

    public ConcurrentQueue<Exception?> Closings { get; } = new();

    public string Log => string.Join('\n', _log);

    public void OnContribution(in FrameHeader header, ReadOnlySpan<float> payload) => Contributed(header, payload);

    public ValueTask<PullResult> OnPullAsync(FrameHeader header, CancellationToken ct) => Pulled(header, ct);

    public Task<DataPlaneClient> ConnectAsync(DataPlaneOptions? options = null) => DataPlaneClient.ConnectAsync(Server.Endpoint, Run, Deadline, options);

    public async Task<Socket> ConnectRawAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(Server.Endpoint);
        return socket;
    }

    /// <summary>A raw connection after a good hello.</summary>
    public async Task<Socket> ConnectRawAndGreetAsync()
    {
        var socket = await ConnectRawAsync();
        await socket.SendAsync(FrameCodec.Encode(new FrameHeader { Kind = FrameKind.Hello, Run = Run }, []));
        await ReadFrameAsync(socket);
        return socket;
    }

    public async Task WaitForClosingAsync() => Assert.True(await _closed.WaitAsync(Deadline), "The server did not close the connection.");

    public async Task WaitForLogAsync(string text)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        using var deadline = new CancellationTokenSource(Deadline);
        while (!Log.Contains(text, StringComparison.Ordinal)) Assert.True(await timer.WaitForNextTickAsync(deadline.Token));
    }

    public static async Task<(FrameHeader Header, byte[] Payload)> ReadFrameAsync(Socket socket)
    {
        byte[] header = new byte[FrameCodec.HeaderLength];
        await FillAsync(socket, header);
        var read = FrameCodec.Read(header, "server");
        byte[] payload = new byte[read.PayloadLength];
        await FillAsync(socket, payload);
        return (read, payload);
    }

    /// <summary>Waits until the peer closes; what still arrives is dropped.</summary>
    public static async Task WaitForEndAsync(Socket socket)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        byte[] scratch = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(scratch, deadline.Token) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // A reset is an end too.
        }
    }

    public static NativeBuffer Values(int length, int seed)
    {
        var buffer = new NativeBuffer(length);
        var random = new Random(seed);
        for (int i = 0; i < length; i++) buffer.Span[i] = random.NextSingle();
        return buffer;
    }

    public async ValueTask DisposeAsync() => await Server.DisposeAsync().AsTask().WaitAsync(Deadline);

    private static async Task FillAsync(Socket socket, Memory<byte> bytes)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!bytes.IsEmpty)
        {
            int received = await socket.ReceiveAsync(bytes, deadline.Token);
            if (received == 0) throw new EndOfStreamException();
            bytes = bytes[received..];
        }
    }
}
