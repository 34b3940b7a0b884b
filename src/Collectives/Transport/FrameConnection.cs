using System.Buffers;
using System.IO.Hashing;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>Sends and receives frames over one socket. One reader; any number of senders, one after another.</summary>
internal sealed class FrameConnection : IDisposable
{
    private const int MaxTextBytes = 4096;

    /// <summary>Payloads are hashed in pieces that are still in the cache from having been copied out of the kernel.</summary>
    private const int PieceBytes = 256 * 1024;

    private readonly Socket _socket;
    private readonly DataPlaneOptions _options;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly byte[] _sentHeader = new byte[FrameCodec.HeaderLength], _receivedHeader = new byte[FrameCodec.HeaderLength];
    private CancellationTokenSource _sendTimeout = new(), _receiveTimeout = new();
    private Exception? _cause;
    private int _closed;

    public FrameConnection(Socket socket, DataPlaneOptions options)
    {
        (_socket, _options) = (socket, options);
        Peer = socket.RemoteEndPoint!;
        socket.NoDelay = true;
        if (options.SocketBufferBytes is { } bytes) (socket.SendBufferSize, socket.ReceiveBufferSize) = (bytes, bytes);
        // A host that vanishes without a word is found out in about 10 s; a process that dies is noticed at once.
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 4);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 2);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
    }

    public EndPoint Peer { get; }

    /// <summary>Why the connection was aborted, if this side did it.</summary>
    public Exception? Cause => Volatile.Read(ref _cause);

    /// <summary>Whether this side has closed the connection.</summary>
    public bool IsClosed => Volatile.Read(ref _closed) != 0;

    /// <summary>Closes the socket; whoever is sending or receiving ends. The first cause is kept.</summary>
    public void Abort(Exception? cause)
    {
        if (cause is not null) Interlocked.CompareExchange(ref _cause, cause, null);
        if (Interlocked.Exchange(ref _closed, 1) != 0) return;
        try
        {
            // Without this, closing under a waiting receive resets the connection, and the peer cannot tell a farewell from a crash.
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // The peer was faster; the receiving side finds that out and reports it.
        }
        _socket.Dispose();
    }

    public void Dispose() => Abort(null);

    /// <summary>Reads the next header, or null when the peer has closed the connection between frames.</summary>
    /// <param name="timeout">How long the first byte may take.</param>
    public async ValueTask<FrameHeader?> ReceiveHeaderAsync(TimeSpan timeout)
    {
        var token = Arm(ref _receiveTimeout, timeout);
        int received = await ReceiveAsync(_receivedHeader, token).ConfigureAwait(false);
        if (received == 0) return null;
        if (received < FrameCodec.HeaderLength)
            await FillAsync(_receivedHeader.AsMemory(received), null, Arm(ref _receiveTimeout, _options.StallTimeout)).ConfigureAwait(false);
        var header = FrameCodec.Read(_receivedHeader, Peer.ToString()!);
        if (header.PayloadLength > _options.MaxPayloadBytes)
            throw new DataPlaneRefusedException($"{header.Kind} frame from {Peer}: a payload of {header.PayloadLength} bytes, at most {_options.MaxPayloadBytes} are taken");
        return header;
    }

    /// <summary>Reads a payload into memory of exactly its length and checks it.</summary>
    /// <exception cref="CorruptionException">The digest does not fit; the memory holds rubbish.</exception>
    public async ValueTask ReceivePayloadAsync(FrameHeader header, Memory<byte> destination)
    {
        var hash = new XxHash128();
        await FillAsync(destination, hash, Arm(ref _receiveTimeout, _options.FrameTimeout(header.PayloadLength))).ConfigureAwait(false);
        RequireDigest(header, hash.GetCurrentHashAsUInt128());
    }

    /// <summary>Reads a payload and drops it.</summary>
    public async ValueTask SkipPayloadAsync(FrameHeader header)
    {
        if (header.PayloadLength == 0) return;
        var token = Arm(ref _receiveTimeout, _options.FrameTimeout(header.PayloadLength));
        byte[] scratch = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            for (long rest = header.PayloadLength; rest > 0;)
            {
                int piece = (int)Math.Min(rest, PieceBytes);
                await FillAsync(scratch.AsMemory(0, piece), null, token).ConfigureAwait(false);
                rest -= piece;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    /// <summary>Reads a payload of text.</summary>
    public async ValueTask<string> ReceiveTextAsync(FrameHeader header)
    {
        if (header.PayloadLength > MaxTextBytes)
            throw new CorruptionException($"The {header.Kind} frame from {Peer}", $"{header.PayloadLength} bytes of text", $"at most {MaxTextBytes}");
        byte[] bytes = new byte[header.PayloadLength];
        await ReceivePayloadAsync(header, bytes).ConfigureAwait(false);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Sends text in place of values.</summary>
    public ValueTask SendTextAsync(FrameHeader header, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int length = Math.Min(bytes.Length, MaxTextBytes);
        while (length < bytes.Length && length > 0 && (bytes[length] & 0xC0) == 0x80) length--;
        return SendAsync(header with { ElementType = ElementType.None }, bytes.AsMemory(0, length));
    }

    /// <summary>Sends a frame. When the task ends, well or badly, the payload's memory is not used any more.</summary>
    /// <param name="header">Its payload length and digest are filled in here.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="digest">The payload's digest if it is known.</param>
    /// <param name="ct">Gives up while the frames before this one are being sent.</param>
    public async ValueTask SendAsync(FrameHeader header, ReadOnlyMemory<byte> payload, UInt128? digest = null, CancellationToken ct = default)
    {
        header = header with { PayloadLength = payload.Length, PayloadDigest = digest ?? XxHash128.HashToUInt128(payload.Span) };
        await _sending.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            FrameCodec.Write(header, _sentHeader);
            _options.Recorder?.Record(header, _sentHeader, payload.Span);
            var token = Arm(ref _sendTimeout, _options.FrameTimeout(payload.Length));
            await SendAllAsync(_sentHeader, token).ConfigureAwait(false);
            await SendAllAsync(payload, token).ConfigureAwait(false);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Sends bytes that are a frame already.</summary>
    public async ValueTask SendRawAsync(ReadOnlyMemory<byte> frame)
    {
        await _sending.WaitAsync().ConfigureAwait(false);
        try
        {
            await SendAllAsync(frame, Arm(ref _sendTimeout, _options.FrameTimeout(frame.Length))).ConfigureAwait(false);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>
    /// Says that nothing more will be sent, and drops what still arrives, for a moment: closing with unread bytes would reset the connection, and the
    /// peer might never see the last frame.
    /// </summary>
    public async ValueTask DrainAsync()
    {
        var token = Arm(ref _receiveTimeout, TimeSpan.FromSeconds(1));
        byte[] scratch = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
            while (await ReceiveAsync(scratch, token).ConfigureAwait(false) > 0)
            {
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            throw new DataPlaneConnectionException($"The connection to {Peer} broke: {error.Message}", error);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    private async ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes, CancellationToken token)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, token).ConfigureAwait(false)..];
        }
        catch (Exception error) when (Failure(error, "did not take a frame in time") is { } failure)
        {
            // Half a frame may be on its way: nothing more can be sent.
            Abort(failure);
            throw failure;
        }
    }

    private async ValueTask FillAsync(Memory<byte> destination, XxHash128? hash, CancellationToken token)
    {
        while (!destination.IsEmpty)
        {
            int received = await ReceiveAsync(destination[..Math.Min(destination.Length, PieceBytes)], token).ConfigureAwait(false);
            if (received == 0) throw new DataPlaneConnectionException($"{Peer} closed the connection in the middle of a frame.");
            hash?.Append(destination.Span[..received]);
            destination = destination[received..];
        }
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> destination, CancellationToken token)
    {
        try
        {
            return await _socket.ReceiveAsync(destination, SocketFlags.None, token).ConfigureAwait(false);
        }
        catch (Exception error) when (Failure(error, "was silent for too long") is { } failure)
        {
            throw failure;
        }
    }

    private DataPlaneConnectionException? Failure(Exception error, string late) => error switch
    {
        OperationCanceledException => new($"{Peer} {late}."),
        SocketException or ObjectDisposedException => new($"The connection to {Peer} broke: {error.Message}", error),
        _ => null,
    };

    private void RequireDigest(FrameHeader header, UInt128 digest)
    {
        if (digest != header.PayloadDigest)
            throw new CorruptionException($"The payload of the {header.Kind} frame from {Peer}", $"digest {digest:x32}", $"{header.PayloadDigest:x32}");
    }

    private static CancellationToken Arm(ref CancellationTokenSource source, TimeSpan timeout)
    {
        if (!source.TryReset()) source = new CancellationTokenSource();
        source.CancelAfter(timeout);
        return source.Token;
    }
}
