using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>Where the processes of a spec find each other.</summary>
internal interface ISpecNetwork : IDisposable
{
    /// <summary>Where the conductor listens, as its nodes are told.</summary>
    string Endpoint { get; }

    /// <summary>Opens the conductor's socket.</summary>
    Socket Listen();

    /// <summary>The address that a role binds.</summary>
    string Host(Role role);

    /// <summary>What stands before a command that is to run in a role's place.</summary>
    IReadOnlyList<string> Prefix(Role role);

    /// <summary>Cuts or mends a role's link; an error if that cannot be done.</summary>
    string? SetLink(Role role, bool up);
}

/// <summary>All on loopback.</summary>
internal sealed class Loopback : ISpecNetwork
{
    private int _port;

    public string Endpoint => _port.ToString(CultureInfo.InvariantCulture);

    public Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        _port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        return socket;
    }

    public string Host(Role role) => "127.0.0.1";

    public IReadOnlyList<string> Prefix(Role role) => [];

    public string? SetLink(Role role, bool up) => "on loopback there are no links: the spec's configuration must say InNamespaces";

    public void Dispose()
    {
        // Holds nothing.
    }
}
