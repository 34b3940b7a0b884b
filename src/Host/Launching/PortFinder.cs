using System.Net;
using System.Net.Sockets;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Launching;

/// <summary>Finds a port that nobody listens on now. Whoever then fails to bind it asks again for the next one.</summary>
public static class PortFinder
{
    /// <summary>The first free loopback port at or above <paramref name="from"/>.</summary>
    /// <exception cref="ElasticTrainException">None up to the end of the range.</exception>
    public static int FirstFree(int from)
    {
        for (int port = from; port <= IPEndPoint.MaxPort; port++)
            if (IsFree(port)) return port;
        throw new ElasticTrainException($"No free port from {from} to {IPEndPoint.MaxPort}.");
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen(1);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
