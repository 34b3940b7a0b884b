using System.Net;
using System.Net.Sockets;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Collectives;
using ElasticTrain.Host.Chaos;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Chaos;

public sealed class DataLinksTests
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task A_cut_holds_one_direction_back_and_loses_nothing()
    {
        await using var links = new DataLinks();
        using var two = new Node("node-2", links);
        using var one = new Node("node-1", links);
        // Whoever has connected once is known by its name.
        using (await two.ConnectAsync(one)) await one.AcceptAsync();
        using Socket client = await one.ConnectAsync(two);
        using Socket server = await two.AcceptAsync();
        await ExchangeAsync(client, server, 1);

        links.Cut("node-1", "node-2");
        await client.SendAsync(new byte[] { 2 });
        await ExchangeAsync(server, client, 3);
        Assert.Equal(0, await ArrivedAsync(server));
        await client.SendAsync(new byte[] { 4 });
        // The other node's own connection goes the same ways.
        Assert.Equal(0, await ArrivedAsync(server));

        links.Heal();
        Assert.Equal(2, await ReceiveAsync(server));
        Assert.Equal(4, await ReceiveAsync(server));
    }

    [Fact]
    public async Task Through_a_cut_no_connection_comes_about_and_none_is_seen_to_end()
    {
        await using var links = new DataLinks();
        using var two = new Node("node-2", links);
        using var one = new Node("node-1", links);
        using (await two.ConnectAsync(one)) await one.AcceptAsync();
        Socket client = await one.ConnectAsync(two);
        using Socket server = await two.AcceptAsync();
        await ExchangeAsync(client, server, 1);

        links.Cut("node-1", "node-2");
        client.Dispose();
        Assert.False(server.Poll(Moment, SelectMode.SelectRead));
        using Socket further = await one.ConnectAsync(two);
        Assert.False(two.Listener.Poll(Moment, SelectMode.SelectRead));

        links.Heal();
        Assert.Equal(0, await server.ReceiveAsync(new byte[1]));
        using Socket late = await two.AcceptAsync();
    }

    [Fact]
    public async Task A_connection_to_nobody_is_closed()
    {
        await using var links = new DataLinks();
        using var one = new Node("node-1", links);
        var nobody = new Node("node-2", links);
        nobody.Dispose();
        using Socket client = await one.ConnectAsync(nobody);
        Assert.Equal(0, await client.ReceiveAsync(new byte[1]).WaitAsync(Wait.Default));
    }

    private static async Task ExchangeAsync(Socket from, Socket to, byte value)
    {
        await from.SendAsync(new[] { value });
        Assert.Equal(value, await ReceiveAsync(to));
    }

    private static async Task<byte> ReceiveAsync(Socket socket)
    {
        byte[] one = new byte[1];
        Assert.Equal(1, await socket.ReceiveAsync(one).WaitAsync(Wait.Default));
        return one[0];
    }

    /// <summary>That nothing comes is the claim: a moment is waited.</summary>
    private static async Task<int> ArrivedAsync(Socket socket)
    {
        await Task.Delay(Moment);
        return socket.Available;
    }

    private sealed class Node : IDisposable
    {
        private readonly DataPlaneOptions options;

        public Node(string name, DataLinks links)
        {
            Listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            Listener.Listen();
            Endpoint = (IPEndPoint)Listener.LocalEndPoint!;
            options = (ChaosSettings.None with { DataLinks = links.Endpoint }).LinksOf(name, Endpoint)!;
        }

        public Socket Listener { get; } = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public IPEndPoint Endpoint { get; }

        public async Task<Socket> ConnectAsync(Node other)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await options.Connect!(socket, other.Endpoint, CancellationToken.None);
            return socket;
        }

        public Task<Socket> AcceptAsync() => Listener.AcceptAsync().WaitAsync(Wait.Default);

        public void Dispose() => Listener.Dispose();
    }
}
