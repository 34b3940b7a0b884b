namespace ElasticTrain.Collectives;

/// <summary>A frame as it stood on the wire.</summary>
/// <param name="Header">Its header.</param>
/// <param name="Bytes">Header and payload.</param>
public sealed record RecordedFrame(FrameHeader Header, ReadOnlyMemory<byte> Bytes);

/// <summary>Keeps the raw bytes of the last frames that a client or server sent. For tests: <see cref="DataPlaneClient.ReplayAsync"/> sends them again.</summary>
/// <param name="capacity">Most frames kept; the oldest are dropped.</param>
public sealed class FrameRecorder(int capacity = 1024)
{
    private readonly Lock _gate = new();
    private readonly Queue<RecordedFrame> _frames = new();

    /// <summary>The frames kept, oldest first.</summary>
    public IReadOnlyList<RecordedFrame> Frames
    {
        get { lock (_gate) return [.. _frames]; }
    }

    internal void Record(in FrameHeader header, ReadOnlySpan<byte> headerBytes, ReadOnlySpan<byte> payload)
    {
        byte[] bytes = [.. headerBytes, .. payload];
        lock (_gate)
        {
            _frames.Enqueue(new RecordedFrame(header, bytes));
            if (_frames.Count > capacity) _frames.Dequeue();
        }
    }
}
