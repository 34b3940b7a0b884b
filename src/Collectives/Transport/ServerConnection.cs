using System.Net;
using System.Runtime.InteropServices;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>One client's connection, seen from the server.</summary>
internal sealed class ServerConnection(FrameConnection frames, RunId run, IDataPlaneHandler handler, DataPlaneOptions options, BufferPool pool)
{
    private readonly Dictionary<ulong, CancellationTokenSource> _pulls = [];
    private readonly HashSet<Task> _serving = [];
    private readonly Lock _gate = new();

    public EndPoint Peer => frames.Peer;

    public bool SaidHello { get; private set; }

    public void Abort() => frames.Abort(new DataPlaneConnectionException("The server was stopped."));

    /// <summary>Serves until the connection ends.</summary>
    /// <returns>What went wrong, or null.</returns>
    public async Task<Exception?> RunAsync()
    {
        Exception? error = null;
        try
        {
            if (await GreetAsync().ConfigureAwait(false))
            {
                SaidHello = true;
                while (await frames.ReceiveHeaderAsync(Timeout.InfiniteTimeSpan).ConfigureAwait(false) is { } header)
                    await DispatchAsync(header).ConfigureAwait(false);
            }
        }
        catch (DataPlaneRefusedException refusal)
        {
            error = refusal;
            await RefuseConnectionAsync(refusal.Reason).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            // Whatever it is, it ends this connection only, and is reported.
            error = failure;
        }
        // What happens to the socket after this side closed it is a consequence, not the reason.
        if (frames.IsClosed) error = frames.Cause;
        frames.Abort(null);
        await EndPullsAsync().ConfigureAwait(false);
        return error;
    }

    private async ValueTask<bool> GreetAsync()
    {
        if (await frames.ReceiveHeaderAsync(options.HandshakeTimeout).ConfigureAwait(false) is not { } hello) return false;
        if (hello.Kind != FrameKind.Hello) throw new CorruptionException($"The first frame from {Peer}", hello.Kind.ToString(), nameof(FrameKind.Hello));
        if (hello.Run != run) throw new DataPlaneRefusedException($"this node serves run {run}, the client belongs to run {hello.Run}");
        await frames.SkipPayloadAsync(hello).ConfigureAwait(false);
        await frames.SendAsync(Answer(hello, FrameKind.Hello), default).ConfigureAwait(false);
        return true;
    }

    private async ValueTask DispatchAsync(FrameHeader header)
    {
        if (Objection(header) is { } objection)
        {
            await frames.SkipPayloadAsync(header).ConfigureAwait(false);
            await RefuseAsync(header, objection).ConfigureAwait(false);
            return;
        }
        switch (header.Kind)
        {
            case FrameKind.Contribution or FrameKind.Marker:
                await TakeContributionAsync(header).ConfigureAwait(false);
                break;
            case FrameKind.Pull or FrameKind.PullState or FrameKind.PullGradient:
                await StartPullAsync(header).ConfigureAwait(false);
                break;
            case FrameKind.Cancel:
                CancelPull(header.RequestId);
                break;
            default:
                throw new CorruptionException($"A frame from {Peer}", $"kind {header.Kind}", "Contribution, Marker, Pull, PullState, PullGradient or Cancel");
        }
    }

    /// <summary>Why a frame is refused before anyone looks at it, or null.</summary>
    private string? Objection(FrameHeader header)
    {
        if (header.Run != run) return $"this node serves run {run}, the frame belongs to run {header.Run}";
        bool carriesValues = header.Kind == FrameKind.Contribution;
        if (carriesValues && header.ElementType != ElementType.Float32)
            return $"elements of type {header.ElementType} are not supported, only {ElementType.Float32}";
        if (carriesValues && header.PayloadLength % sizeof(float) != 0) return $"{header.PayloadLength} bytes are no whole number of {ElementType.Float32} values";
        if (!carriesValues && header.PayloadLength != 0) return $"a {header.Kind} frame has no payload, found {header.PayloadLength} bytes";
        return null;
    }

    private async ValueTask TakeContributionAsync(FrameHeader header)
    {
        var buffer = pool.Rent(header.PayloadLength / sizeof(float));
        Exception? error;
        try
        {
            if (buffer.Length > 0) await frames.ReceivePayloadAsync(header, NativeBytes.Of(buffer, 0, (int)buffer.Length)).ConfigureAwait(false);
            error = Handle(header, buffer);
        }
        finally
        {
            pool.Return(buffer);
        }
        if (error is null) await frames.SendAsync(Answer(header, FrameKind.Ack), default).ConfigureAwait(false);
        else await RefuseAsync(header, Reason(error), KindOf(error)).ConfigureAwait(false);
    }

    private Exception? Handle(in FrameHeader header, NativeBuffer buffer)
    {
        try
        {
            handler.OnContribution(header, buffer.Span);
            return null;
        }
        catch (Exception error)
        {
            return error;
        }
    }

    private async ValueTask StartPullAsync(FrameHeader header)
    {
        var cancellation = new CancellationTokenSource();
        string? refusal = null;
        lock (_gate)
        {
            if (_pulls.Count >= options.MaxOutstandingPulls) refusal = $"{_pulls.Count} pulls are waiting on this connection already";
            else if (!_pulls.TryAdd(header.RequestId, cancellation)) refusal = $"request {header.RequestId} is waiting already";
            if (refusal is null) _serving.Add(ServePullAsync(header, cancellation));
            _serving.RemoveWhere(task => task.IsCompleted);
        }
        if (refusal is null) return;
        await RefuseAsync(header, refusal).ConfigureAwait(false);
    }

    private async Task ServePullAsync(FrameHeader header, CancellationTokenSource cancellation)
    {
        // The reader goes on at once; what the handler does before its first await is not its business.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            await AnswerPullAsync(header, cancellation.Token).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            // An answer could not be sent: the connection is of no use any more.
            frames.Abort(error);
        }
        finally
        {
            lock (_gate) _pulls.Remove(header.RequestId);
        }
    }

    private async ValueTask AnswerPullAsync(FrameHeader header, CancellationToken token)
    {
        PullResult result;
        try
        {
            result = await handler.OnPullAsync(header, token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
            return;
        }
        catch (Exception error)
        {
            await RefuseAsync(header, Reason(error), KindOf(error)).ConfigureAwait(false);
            return;
        }
        try
        {
            if (token.IsCancellationRequested) return;
            long bytes = (long)result.Length * sizeof(float);
            if (bytes > options.MaxPayloadBytes)
            {
                // The client would not take it, and its other requests would break with the connection.
                await RefuseAsync(header, $"{bytes} bytes are more than the {options.MaxPayloadBytes} of a frame", RefusalKind.Invalid).ConfigureAwait(false);
                return;
            }
            var answer = Answer(header, FrameKind.Values) with { ElementType = ElementType.Float32, Lineage = result.Version ?? header.Lineage };
            await frames.SendAsync(answer, NativeBytes.Of(result.Buffer, result.Offset, result.Length), result.Digest).ConfigureAwait(false);
        }
        finally
        {
            result.Release();
        }
    }

    private void CancelPull(ulong requestId)
    {
        lock (_gate)
        {
            // Unknown if the answer is already on its way.
            if (_pulls.TryGetValue(requestId, out var pull)) pull.CancelAsync();
        }
    }

    private async Task EndPullsAsync()
    {
        Task[] serving;
        lock (_gate)
        {
            foreach (var pull in _pulls.Values) pull.CancelAsync();
            serving = [.. _serving];
        }
        await Task.WhenAll(serving).ConfigureAwait(false);
    }

    private ValueTask RefuseAsync(FrameHeader header, string reason, RefusalKind kind = RefusalKind.Retriable)
    {
        options.Log?.Invoke($"data plane: {header.Kind} of shard {header.Shard} at {header.Lineage} from {Peer} refused: {reason}");
        return frames.SendTextAsync(Answer(header, FrameKind.Refused) with { Refusal = kind }, reason);
    }

    private async ValueTask RefuseConnectionAsync(string reason)
    {
        try
        {
            await frames.SendTextAsync(new FrameHeader { Kind = FrameKind.Refused, Run = run }, reason).ConfigureAwait(false);
            await frames.DrainAsync().ConfigureAwait(false);
        }
        catch (DataPlaneConnectionException error)
        {
            options.Log?.Invoke($"data plane: {Peer} could not be told why it is refused: {error.Message}");
        }
    }

    /// <summary>A refusal's reason travels as it is; for anything else the kind of error is named too.</summary>
    private static string Reason(Exception error) => error is ElasticTrainException ? error.Message : $"{error.GetType().Name}: {error.Message}";

    private static RefusalKind KindOf(Exception error) => error switch
    {
        DataPlaneRefusedException refusal => refusal.Kind,
        ContributionMismatchException => RefusalKind.Mismatch,
        ArgumentException or BadInputException => RefusalKind.Invalid,
        _ => RefusalKind.Retriable,
    };

    private FrameHeader Answer(FrameHeader header, FrameKind kind) => header with { Kind = kind, Run = run, ElementType = ElementType.None, PayloadLength = 0 };
}
