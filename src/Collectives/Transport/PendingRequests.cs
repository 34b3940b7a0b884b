using System.Net;

namespace ElasticTrain.Collectives;

/// <summary>The requests of a client that wait for an answer. Whoever takes a request out of here, and nobody else, completes it.</summary>
internal sealed class PendingRequests(IPEndPoint peer)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, PendingRequest> _requests = [];
    private bool _closed;
    private Exception? _cause;

    /// <summary>Registers a request; the task ends with the header of its answer.</summary>
    public Task<FrameHeader> Add(in FrameHeader header, Memory<byte>? destination)
    {
        var request = new PendingRequest(header, destination);
        lock (_gate)
        {
            if (_closed) throw Broken();
            if (!_requests.TryAdd(header.RequestId, request)) throw new InvalidOperationException($"Request {header.RequestId} is outstanding already.");
        }
        return request.Task;
    }

    /// <summary>Takes out the request that a frame answers, or null if it was withdrawn.</summary>
    public PendingRequest? Take(in FrameHeader answer) => Remove(answer.RequestId);

    public PendingRequest? Remove(ulong id)
    {
        lock (_gate) return _requests.Remove(id, out var request) ? request : null;
    }

    /// <summary>Withdraws a request. False if its answer has begun to arrive.</summary>
    public bool Cancel(ulong id, CancellationToken ct)
    {
        if (Remove(id) is not { } request) return false;
        request.Cancel(ct);
        return true;
    }

    /// <summary>Fails everything, now and from now on.</summary>
    public void FailAll(Exception? cause)
    {
        PendingRequest[] failed;
        lock (_gate)
        {
            (_closed, _cause) = (true, cause);
            failed = [.. _requests.Values];
            _requests.Clear();
        }
        foreach (var request in failed) request.Fail(Broken());
    }

    private DataPlaneConnectionException Broken() =>
        new(_cause is null ? $"The connection to {peer} was closed here." : $"The connection to {peer} is gone: {_cause.Message}", _cause);
}

/// <summary>A request that waits for its answer.</summary>
internal sealed class PendingRequest(FrameHeader header, Memory<byte>? destination)
{
    private readonly TaskCompletionSource<FrameHeader> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Where a pull's values go.</summary>
    public Memory<byte>? Destination { get; } = destination;

    public Task<FrameHeader> Task => _completion.Task;

    public void Succeed(in FrameHeader answer) => _completion.TrySetResult(answer);

    public void Fail(Exception error) => _completion.TrySetException(error);

    public void Cancel(CancellationToken ct) => _completion.TrySetCanceled(ct);

    /// <summary>Why the values that arrive are not what was asked for, or null.</summary>
    public string? Objection(in FrameHeader answer)
    {
        if (Destination is not { } memory) return $"values came in answer to a {header.Kind}";
        if (answer.ElementType != ElementType.Float32) return $"elements of type {answer.ElementType} are not supported, only {ElementType.Float32}";
        // A pull of the state takes whatever version there is.
        if ((answer.Lineage != header.Lineage && header.Kind != FrameKind.PullState) || answer.Shard != header.Shard)
            return $"shard {header.Shard} at {header.Lineage} was asked for, shard {answer.Shard} at {answer.Lineage} came";
        // A state comes without its moments where they were dropped.
        if (answer.PayloadLength != memory.Length && !(header.Kind == FrameKind.PullState && 3 * answer.PayloadLength == memory.Length))
            return $"shard {answer.Shard} has {answer.PayloadLength / sizeof(float)} values there, {memory.Length / sizeof(float)} here";
        return null;
    }
}
