using System.Net.Sockets;
using System.Text;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>A connection that carries one JSON message a line.</summary>
internal sealed class LineConnection : IDisposable
{
    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;
    private readonly Lock _writing = new();

    public LineConnection(Socket socket)
    {
        if (socket.AddressFamily == AddressFamily.InterNetwork) socket.NoDelay = true;
        _stream = new NetworkStream(socket, ownsSocket: true);
        _reader = new StreamReader(_stream, Encoding.UTF8);
    }

    /// <summary>The next message; null when the other side is gone.</summary>
    public async Task<SpecMessage?> ReadAsync(CancellationToken ct = default)
    {
        try
        {
            return await _reader.ReadLineAsync(ct) is { } line ? SpecMessage.Parse(line) : null;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return null;
        }
    }

    /// <summary>Sends a message; false when the other side is gone. A few hundred bytes: they fit the socket's buffer also while the reader is stopped.</summary>
    public bool Send(SpecMessage message)
    {
        byte[] line = Encoding.UTF8.GetBytes(message.ToLine() + "\n");
        try
        {
            lock (_writing) _stream.Write(line);
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return false;
        }
    }

    public void Dispose() => _stream.Dispose();
}
