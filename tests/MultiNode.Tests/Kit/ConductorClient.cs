using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>A node's side of the connection to its conductor. The process ends when the conductor is gone.</summary>
internal sealed class ConductorClient
{
    private readonly LineConnection _connection;
    private readonly ConcurrentDictionary<int, TaskCompletionSource<string?>> _requests = [];
    private readonly TaskCompletionSource _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile IReadOnlyDictionary<string, string> _addresses = new Dictionary<string, string>();
    private int _lastRequest;

    private ConductorClient(LineConnection connection) => _connection = connection;

    /// <summary>Does a throttle at this node's transport; set before the node says that it is ready.</summary>
    public Func<Throttle, Task>? OnThrottle { get; set; }

    /// <summary>Completed when all nodes are there.</summary>
    public Task Started => _started.Task;

    /// <summary>Completed when the conductor has no more use for this process.</summary>
    public Task Exit => _exit.Task;

    /// <summary>Where everybody is.</summary>
    public IReadOnlyDictionary<string, string> Addresses => _addresses;

    public static ConductorClient Connect(NodeStart start)
    {
        EndPoint endpoint = int.TryParse(start.Conductor, CultureInfo.InvariantCulture, out int port)
            ? new IPEndPoint(IPAddress.Loopback, port) : new UnixDomainSocketEndPoint(start.Conductor);
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, endpoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        socket.Connect(endpoint);
        var client = new ConductorClient(new LineConnection(socket));
        client.Send(new Hello(start.Token, start.Role, start.Life));
        _ = client.ReadAsync();
        return client;
    }

    public void Send(SpecMessage message)
    {
        if (!_connection.Send(message)) EndOrphan();
    }

    /// <summary>Sends a request and waits until it is done.</summary>
    /// <exception cref="InvalidOperationException">It cannot be done, or is not in time.</exception>
    public void Request(Func<int, SpecMessage> request, TimeSpan patience)
    {
        int id = Interlocked.Increment(ref _lastRequest);
        var answer = _requests[id] = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        SpecMessage message = request(id);
        Send(message);
        if (!answer.Task.Wait(patience)) throw new InvalidOperationException($"the conductor did not answer {message} within {patience.TotalSeconds:0} s");
        if (answer.Task.Result is { } error) throw new InvalidOperationException($"the conductor refused {message}: {error}");
    }

    private static void EndOrphan()
    {
        Console.Error.WriteLine("the conductor is gone");
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }

    private async Task ReadAsync()
    {
        while (await _connection.ReadAsync() is { } message)
        {
            switch (message)
            {
                case Addresses addresses:
                    _addresses = addresses.Of;
                    _started.TrySetResult();
                    break;
                case Reply reply when _requests.TryRemove(reply.Id, out var request):
                    request.SetResult(reply.Error);
                    break;
                case Throttle throttle:
                    _ = ThrottleAsync(throttle);
                    break;
                case Kit.Exit:
                    _exit.TrySetResult();
                    return;
                default:
                    await Console.Error.WriteLineAsync($"the conductor sent {message}, which nobody asked for");
                    break;
            }
        }
        EndOrphan();
    }

    private async Task ThrottleAsync(Throttle throttle)
    {
        string? error = null;
        try
        {
            await (OnThrottle ?? throw new InvalidOperationException("the node is not ready"))(throttle);
        }
        catch (Exception e)
        {
            error = e.ToString();
        }
        Send(new Reply(throttle.Id, error));
    }
}
