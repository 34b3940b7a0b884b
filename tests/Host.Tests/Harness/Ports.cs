using System.Net;
using System.Net.Sockets;

namespace ElasticTrain.Host.Tests.Harness;

/// <summary>TCP ports of this machine.</summary>
public static class Ports
{
    /// <summary>A port of the loopback address on which nobody listens.</summary>
    public static int Free()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
