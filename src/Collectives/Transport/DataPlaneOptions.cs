using System.Net;
using System.Net.Sockets;

namespace ElasticTrain.Collectives;

/// <summary>Limits of the data plane. The defaults suit one machine and a local network.</summary>
public sealed record DataPlaneOptions
{
    /// <summary>The defaults.</summary>
    public static readonly DataPlaneOptions Default = new();

    /// <summary>Largest payload taken, in bytes; a longer one closes the connection. A connection holds memory for one at a time.</summary>
    public long MaxPayloadBytes { get; init; } = 1L << 30;

    /// <summary>Most connections a server serves at once; further ones are closed.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>Most pulls that may wait on one connection; further ones are refused.</summary>
    public int MaxOutstandingPulls { get; init; } = 4096;

    /// <summary>How long a new connection may take to say hello.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a frame that has begun may take, besides <see cref="MinimumBytesPerSecond"/>. Between frames a connection may rest for ever.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A peer that is slower than this over a whole frame is cut off.</summary>
    public long MinimumBytesPerSecond { get; init; } = 1 << 20;

    /// <summary>
    /// Kernel buffer per direction in bytes; null leaves it to the system, which on Linux grows it as needed: measured faster on loopback than a
    /// fixed 4 MiB, and a fixed size is capped by net.core.*mem_max.
    /// </summary>
    public int? SocketBufferBytes { get; init; }

    /// <summary>Told of refused frames and broken connections, one line each.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Keeps a copy of the frames sent, for tests that replay them.</summary>
    public FrameRecorder? Recorder { get; init; }

    /// <summary>Connects a client's socket to a peer; null: directly. Chaos runs put a link in between that can be cut.</summary>
    public Func<Socket, IPEndPoint, CancellationToken, Task>? Connect { get; init; }

    internal TimeSpan FrameTimeout(long bytes) => StallTimeout + TimeSpan.FromSeconds((double)bytes / MinimumBytesPerSecond);
}
