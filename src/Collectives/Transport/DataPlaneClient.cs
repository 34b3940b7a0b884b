using System.Net;
using System.Net.Sockets;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>
/// One connection to one node; any number of requests at once, told apart by their ids. When it breaks, everything outstanding fails with
/// <see cref="DataPlaneConnectionException"/> and <see cref="Closed"/> is raised; there is no reconnecting: that is the membership's decision.
/// </summary>
public sealed class DataPlaneClient : IAsyncDisposable
{
    private readonly FrameConnection _frames;
    private readonly RunId _run;
    private readonly PendingRequests _pending;
    private readonly Lock _gate = new();
    private Task _receiving = Task.CompletedTask;
    private Action<Exception?>? _closed;
    private (bool Happened, Exception? Error) _end;
    private long _lastRequest;

    private DataPlaneClient(FrameConnection frames, RunId run, IPEndPoint peer)
    {
        (_frames, _run, Peer) = (frames, run, peer);
        _pending = new PendingRequests(peer);
    }

    /// <summary>Raised once when the connection is gone: what went wrong, or null after <see cref="DisposeAsync"/>. Subscribing later calls the handler at once.</summary>
    public event Action<Exception?> Closed
    {
        add
        {
            lock (_gate)
            {
                if (!_end.Happened)
                {
                    _closed += value;
                    return;
                }
            }
            value(_end.Error);
        }
        remove
        {
            lock (_gate) _closed -= value;
        }
    }

    /// <summary>Whether the connection is gone: nothing can be asked over it any more.</summary>
    public bool IsClosed => _frames.IsClosed;

    /// <summary>The node at the other end.</summary>
    public IPEndPoint Peer { get; }

    /// <summary>Connects and says hello: protocol version and run id must be the same on both sides.</summary>
    /// <param name="peer">The node's data-plane address.</param>
    /// <param name="run">The run.</param>
    /// <param name="timeout">For connecting and hello together.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <param name="ct">Gives up earlier.</param>
    /// <exception cref="DataPlaneConnectionException">Nobody answers, or not in time, or not with this protocol.</exception>
    /// <exception cref="DataPlaneRefusedException">The other side speaks another version or serves another run; both values are named.</exception>
    public static async Task<DataPlaneClient> ConnectAsync(
        IPEndPoint peer, RunId run, TimeSpan timeout, DataPlaneOptions? options = null, CancellationToken ct = default)
    {
        options ??= DataPlaneOptions.Default;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(timeout);
        var socket = new Socket(peer.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        FrameConnection? frames = null;
        try
        {
            if (options.Connect is { } connect) await connect(socket, peer, deadline.Token).ConfigureAwait(false);
            else await socket.ConnectAsync(peer, deadline.Token).ConfigureAwait(false);
            frames = new FrameConnection(socket, options);
            using (deadline.Token.UnsafeRegister(_ => frames.Abort(null), null))
                await GreetAsync(frames, run).ConfigureAwait(false);
            deadline.Token.ThrowIfCancellationRequested();
            var client = new DataPlaneClient(frames, run, peer);
            client._receiving = Task.Run(client.ReceiveAsync);
            return client;
        }
        catch (Exception error)
        {
            frames?.Dispose();
            socket.Dispose();
            ct.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested) throw new DataPlaneConnectionException($"{peer} did not answer within {timeout.TotalSeconds:0.###} s.", error);
            if (error is SocketException) throw new DataPlaneConnectionException($"No connection to {peer}: {error.Message}", error);
            if (error is CorruptionException) throw new DataPlaneConnectionException($"{peer} is no data plane of this program: {error.Message}", error);
            throw;
        }
    }

    /// <summary>Sends the summed gradient of a block of ranks for one shard; completes when the node has taken it.</summary>
    /// <param name="inputVersion">The version of the parameters that it was computed from.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="replica">The replica it is for.</param>
    /// <param name="block">The ranks.</param>
    /// <param name="values">Holds the values; must not change before the task ends.</param>
    /// <param name="offset">First value.</param>
    /// <param name="length">Number of values.</param>
    /// <param name="attempt">The attempt at the step.</param>
    /// <param name="ct">Stops waiting for the connection or for the answer; a frame that is being sent is sent to its end.</param>
    /// <exception cref="DataPlaneRefusedException">The node refuses it, for the reason given.</exception>
    /// <exception cref="DataPlaneConnectionException">The connection broke; the node may have taken it or not.</exception>
    public Task ContributeAsync(
        Lineage inputVersion, ShardId shard, ReplicaId replica, RankRange block, NativeBuffer values, long offset, int length, Attempt attempt = default,
        CancellationToken ct = default)
    {
        var header = Header(FrameKind.Contribution, inputVersion, shard, replica) with { Block = block, ElementType = ElementType.Float32, Attempt = attempt };
        return RequestAsync(header, NativeBytes.Of(values, offset, length), null, ct);
    }

    /// <summary>Says that a block of ranks missed the shard; completes when the node has taken it. Errors as for a contribution.</summary>
    /// <param name="inputVersion">The version of the parameters that it was computed from.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="replica">The replica it is for.</param>
    /// <param name="block">The ranks.</param>
    /// <param name="attempt">The attempt at the step.</param>
    /// <param name="ct">Stops waiting for the answer.</param>
    public Task ContributeMarkerAsync(
        Lineage inputVersion, ShardId shard, ReplicaId replica, RankRange block, Attempt attempt = default, CancellationToken ct = default) =>
        RequestAsync(Header(FrameKind.Marker, inputVersion, shard, replica) with { Block = block, Attempt = attempt }, default, null, ct);

    /// <summary>Waits for the parameters of a shard at a lineage and writes them to native memory.</summary>
    /// <param name="version">The version wanted.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="replica">The replica asked.</param>
    /// <param name="destination">Where they go; nobody else may use that part before the task ends. Holds rubbish if it fails.</param>
    /// <param name="offset">First value there.</param>
    /// <param name="length">Number of values of the shard.</param>
    /// <param name="ct">Withdraws the request. If the answer is arriving at that moment, the task completes with it.</param>
    /// <exception cref="DataPlaneRefusedException">The node refuses, or its shard has another length.</exception>
    /// <exception cref="DataPlaneConnectionException">The connection broke.</exception>
    public Task PullAsync(Lineage version, ShardId shard, ReplicaId replica, NativeBuffer destination, long offset, int length, CancellationToken ct) =>
        RequestAsync(Header(FrameKind.Pull, version, shard, replica), default, NativeBytes.Of(destination, offset, length), ct);

    /// <summary>Copies a shard's parameters, first and second moments, one after another, as they are now. Errors as for <see cref="PullAsync"/>.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="replica">The replica asked.</param>
    /// <param name="destination">Where they go, [3 * length of the shard]; as for <see cref="PullAsync"/>.</param>
    /// <param name="ct">Withdraws the request.</param>
    /// <returns>The version that they are of.</returns>
    public async Task<(Lineage Version, long Length)> PullStateAsync(ShardId shard, ReplicaId replica, NativeBuffer destination, CancellationToken ct)
    {
        var header = Header(FrameKind.PullState, default, shard, replica);
        var answer = await RequestAsync(header, default, NativeBytes.Of(destination, 0, checked((int)destination.Length)), ct).ConfigureAwait(false);
        return (answer.Lineage, answer.PayloadLength / sizeof(float));
    }

    /// <summary>Waits for the complete sum of a shard's gradient in one step. Errors as for <see cref="PullAsync"/>.</summary>
    /// <param name="input">The version that the step starts from.</param>
    /// <param name="attempt">The attempt at the step that was decided.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="replica">The replica asked.</param>
    /// <param name="destination">Where it goes, [length of the shard]; as for <see cref="PullAsync"/>.</param>
    /// <param name="ct">Withdraws the request.</param>
    public Task PullGradientAsync(Lineage input, Attempt attempt, ShardId shard, ReplicaId replica, NativeBuffer destination, CancellationToken ct) =>
        RequestAsync(Header(FrameKind.PullGradient, input, shard, replica) with { Attempt = attempt }, default, NativeBytes.Of(destination, 0, checked((int)destination.Length)), ct);

    /// <summary>Sends a recorded contribution or marker again, byte for byte, and waits for its answer. For tests.</summary>
    /// <param name="frame">A frame from a <see cref="FrameRecorder"/>; its request id must not be outstanding here.</param>
    /// <exception cref="DataPlaneRefusedException">The node refuses it.</exception>
    public async Task ReplayAsync(RecordedFrame frame)
    {
        var answer = _pending.Add(frame.Header, null);
        try
        {
            await _frames.SendRawAsync(frame.Bytes).ConfigureAwait(false);
            await answer.ConfigureAwait(false);
        }
        finally
        {
            _pending.Remove(frame.Header.RequestId);
        }
    }

    /// <summary>Closes the connection. What is outstanding fails.</summary>
    public async ValueTask DisposeAsync()
    {
        _frames.Dispose();
        await _receiving.ConfigureAwait(false);
    }

    private static async Task GreetAsync(FrameConnection frames, RunId run)
    {
        await frames.SendAsync(new FrameHeader { Kind = FrameKind.Hello, Run = run }, default).ConfigureAwait(false);
        var answer = await frames.ReceiveHeaderAsync(Timeout.InfiniteTimeSpan).ConfigureAwait(false)
            ?? throw new DataPlaneConnectionException($"{frames.Peer} closed the connection instead of saying hello.");
        if (answer.Kind == FrameKind.Refused) throw new DataPlaneRefusedException(await frames.ReceiveTextAsync(answer).ConfigureAwait(false));
        if (answer.Kind != FrameKind.Hello) throw new CorruptionException($"The first frame from {frames.Peer}", answer.Kind.ToString(), nameof(FrameKind.Hello));
        if (answer.Run != run) throw new DataPlaneRefusedException($"{frames.Peer} serves run {answer.Run}, this node belongs to run {run}");
        await frames.SkipPayloadAsync(answer).ConfigureAwait(false);
    }

    private FrameHeader Header(FrameKind kind, Lineage lineage, ShardId shard, ReplicaId replica) => new()
    {
        Kind = kind,
        RequestId = (ulong)Interlocked.Increment(ref _lastRequest),
        Run = _run,
        Lineage = lineage,
        Shard = shard,
        Replica = replica,
    };

    private async Task<FrameHeader> RequestAsync(FrameHeader header, ReadOnlyMemory<byte> payload, Memory<byte>? destination, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var answer = _pending.Add(header, destination);
        try
        {
            // Also when the connection breaks meanwhile, the payload's memory is ours until the send has ended.
            await _frames.SendAsync(header, payload, null, ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _pending.Remove(header.RequestId);
            throw;
        }
        catch (DataPlaneConnectionException)
        {
            // The receiving side may have been told why, for example by a refusal that overtook this frame; the answer then fails with that.
            await _receiving.ConfigureAwait(false);
        }
        using var registration = ct.UnsafeRegister(_ => Withdraw(header, ct), null);
        return await answer.ConfigureAwait(false);
    }

    private void Withdraw(FrameHeader header, CancellationToken ct)
    {
        if (_pending.Cancel(header.RequestId, ct) && header.Kind is FrameKind.Pull or FrameKind.PullState or FrameKind.PullGradient) _ = SendCancelAsync(header);
    }

    private async Task SendCancelAsync(FrameHeader header)
    {
        try
        {
            await _frames.SendAsync(header with { Kind = FrameKind.Cancel }, default).ConfigureAwait(false);
        }
        catch (DataPlaneConnectionException error)
        {
            // A failed send breaks the connection, and the receiving side reports it.
            _frames.Abort(error);
        }
    }

    private async Task ReceiveAsync()
    {
        Exception? error;
        try
        {
            while (await _frames.ReceiveHeaderAsync(Timeout.InfiniteTimeSpan).ConfigureAwait(false) is { } header)
                await DispatchAsync(header).ConfigureAwait(false);
            error = new DataPlaneConnectionException($"{Peer} closed the connection.");
        }
        catch (Exception failure)
        {
            error = failure;
        }
        // What happens to the socket after this side closed it is a consequence, not the reason.
        if (_frames.IsClosed && error is not DataPlaneRefusedException) error = _frames.Cause;
        _frames.Abort(error);
        _pending.FailAll(error);
        Action<Exception?>? closed;
        lock (_gate)
        {
            _end = (true, error);
            closed = _closed;
        }
        closed?.Invoke(error);
    }

    private async ValueTask DispatchAsync(FrameHeader header)
    {
        switch (header.Kind)
        {
            case FrameKind.Ack:
                _pending.Take(header)?.Succeed(header);
                break;
            case FrameKind.Refused:
                var refusal = new DataPlaneRefusedException(await _frames.ReceiveTextAsync(header).ConfigureAwait(false), header.Refusal);
                if (header.RequestId == 0) throw refusal;
                _pending.Take(header)?.Fail(refusal);
                break;
            case FrameKind.Values:
                await TakeValuesAsync(header).ConfigureAwait(false);
                break;
            default:
                throw new CorruptionException($"A frame from {Peer}", $"kind {header.Kind}", "Ack, Refused or Values");
        }
    }

    private async ValueTask TakeValuesAsync(FrameHeader header)
    {
        // A request that is taken out here cannot be cancelled any more: its memory is in use until the payload is there.
        if (_pending.Take(header) is not { } request)
        {
            await _frames.SkipPayloadAsync(header).ConfigureAwait(false);
            return;
        }
        try
        {
            if (request.Objection(header) is { } objection)
            {
                await _frames.SkipPayloadAsync(header).ConfigureAwait(false);
                request.Fail(new DataPlaneRefusedException(objection));
                return;
            }
            await _frames.ReceivePayloadAsync(header, request.Destination!.Value[..(int)header.PayloadLength]).ConfigureAwait(false);
            request.Succeed(header);
        }
        catch (Exception error)
        {
            request.Fail(new DataPlaneConnectionException($"The connection to {Peer} broke: {error.Message}", error));
            throw;
        }
    }
}
