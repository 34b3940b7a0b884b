using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using ElasticTrain.Host.Launching;

namespace ElasticTrain.Host.Control;

/// <summary>Sends a command to a running run: to whichever of its nodes answers.</summary>
public static class ControlClient
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Connect = TimeSpan.FromSeconds(2);

    /// <summary>How long a node may be silent before the next one is asked as well: it may be stopped. The command is not lost, the next node gets the same one.</summary>
    private static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(250);

    /// <summary>How long a round waits for silent nodes while others have said "not now".</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>Answers are the node's own and may list every step of a run; still bounded.</summary>
    private const int MaxAnswer = 16 * 1024 * 1024;

    /// <summary>
    /// Asks the live nodes, again and again with the same client id, until one answers with more than "not now" or the time is up.
    /// </summary>
    /// <param name="runDirectory">The run's folder.</param>
    /// <param name="request">The command.</param>
    /// <param name="timeout">For all tries together.</param>
    /// <param name="ct">Gives up early.</param>
    /// <param name="awaitNodes">Whether to wait for a node while none lives but a launcher does.</param>
    /// <returns>The answer; at the end of the time the last "not now"; null if no node lives (at once if none is waited for, or could come back).</returns>
    public static async Task<ControlReply?> SendAsync(string runDirectory, ControlRequest request, TimeSpan timeout, CancellationToken ct, bool awaitNodes = true)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(timeout);
        ControlReply? last = null;
        try
        {
            while (true)
            {
                IReadOnlyList<NodeFile> nodes = NodeFile.ReadLive(runDirectory);
                if (nodes.Count == 0 && (!awaitNodes || RunLock.Holder(runDirectory) is null)) return null;
                last = Better(last, await AskAsync(nodes, request, deadline.Token));
                if (last is { Retry: false }) return last;
                await Task.Delay(Pause, deadline.Token);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return last;
        }
    }

    /// <summary>
    /// One round: each node is asked a moment after the one before it unless an answer has come by then. So one question is usually enough, and a node that
    /// is stopped holds nobody up.
    /// </summary>
    private static async Task<ControlReply?> AskAsync(IReadOnlyList<NodeFile> nodes, ControlRequest request, CancellationToken ct)
    {
        using CancellationTokenSource round = CancellationTokenSource.CreateLinkedTokenSource(ct);
        if (nodes.Count > 1) round.CancelAfter(Patience);
        var waiting = new Queue<NodeFile>(nodes);
        var asked = new List<Task<ControlReply?>>();
        ControlReply? best = null;
        while (best is not { Retry: false } && (waiting.Count > 0 || asked.Count > 0))
        {
            if (waiting.TryDequeue(out NodeFile? next)) asked.Add(AskAsync(next, request, round.Token));
            Task answer = Task.WhenAny(asked);
            await (waiting.Count > 0 ? Task.WhenAny(answer, Task.Delay(Stagger, CancellationToken.None)) : answer);
            foreach (Task<ControlReply?> answered in asked.Where(a => a.IsCompleted).ToArray())
            {
                asked.Remove(answered);
                best = Better(best, await answered);
            }
        }
        await round.CancelAsync();
        await Task.WhenAll(asked);
        return best;
    }

    /// <summary>A final answer over any; of two "not now" the later one that gives a reason, which only the coordinator's own node may know.</summary>
    private static ControlReply? Better(ControlReply? before, ControlReply? after) =>
        before is { Retry: false } || after is null || (before is not null && after.Error == ControlReply.NoCoordinator) ? before : after;

    /// <summary>One try at one node; null if it does not answer.</summary>
    private static async Task<ControlReply?> AskAsync(NodeFile node, ControlRequest request, CancellationToken ct)
    {
        if (!IPEndPoint.TryParse(node.Control, out IPEndPoint? endpoint)) return null;
        try
        {
            using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            using (CancellationTokenSource connecting = CancellationTokenSource.CreateLinkedTokenSource(ct))
            {
                connecting.CancelAfter(Connect);
                await socket.ConnectAsync(endpoint, connecting.Token);
            }
            await using var stream = new NetworkStream(socket);
            var frame = new ControlFrame(node.Token, request.Command, new Dictionary<string, string>(request.Arguments), request.ClientId);
            byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(frame, ControlJson.Options), (byte)'\n'];
            if (line.Length > ControlServer.MaxLine) return ControlReply.Failure($"the command is longer than {ControlServer.MaxLine} bytes");
            await stream.WriteAsync(line, ct);
            ReadOnlyMemory<byte>? answer = await new BoundedLineReader(stream, MaxAnswer).ReadAsync(ct);
            return answer is { } bytes ? JsonSerializer.Deserialize<ControlReply>(bytes.Span, ControlJson.Options) : null;
        }
        catch (Exception e) when (e is IOException or SocketException or JsonException or InvalidDataException or OperationCanceledException)
        {
            // This node does not answer now: it may be ending, or stopped. The next try reads its file anew.
            return null;
        }
    }
}
