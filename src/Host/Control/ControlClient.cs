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

    /// <summary>How long one node is waited for while there are others: it may be stopped. The command is not lost: the next node gets the same one.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Answers are the node's own and may list every step of a run; still bounded.</summary>
    private const int MaxAnswer = 16 * 1024 * 1024;

    /// <summary>
    /// Tries each live node in turn, again and again with the same client id, until one answers with more than "not now" or the time is up.
    /// </summary>
    /// <param name="runDirectory">The run's folder.</param>
    /// <param name="request">The command.</param>
    /// <param name="timeout">For all tries together.</param>
    /// <param name="ct">Gives up early.</param>
    /// <returns>The answer; at the end of the time the last "not now"; null if no node lives (at once if no launcher could bring one back).</returns>
    public static async Task<ControlReply?> SendAsync(string runDirectory, ControlRequest request, TimeSpan timeout, CancellationToken ct)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(timeout);
        ControlReply? last = null;
        try
        {
            while (true)
            {
                IReadOnlyList<NodeFile> nodes = NodeFile.ReadLive(runDirectory);
                foreach (NodeFile node in nodes)
                {
                    using CancellationTokenSource one = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token);
                    if (nodes.Count > 1) one.CancelAfter(Patience);
                    ControlReply? reply = await AskAsync(node, request, one.Token);
                    deadline.Token.ThrowIfCancellationRequested();
                    if (reply is { Retry: false }) return reply;
                    // Only the coordinator's own node may know why it does not answer.
                    if (last is null || (reply is not null && reply.Error != ControlReply.NoCoordinator)) last = reply ?? last;
                }
                if (nodes.Count == 0 && RunLock.Holder(runDirectory) is null) return null;
                await Task.Delay(Pause, deadline.Token);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return last;
        }
    }

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
