using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>
/// A network namespace for each role, on a bridge in a namespace of its own: links that can really be taken down, on addresses that were made for
/// the spec. The machine's own network is not touched.
/// </summary>
internal sealed class NetworkNamespaces : ISpecNetwork
{
    private const string Mark = "et-spec-";
    private const string Link = "eth0", Bridge = "br0";

    private static readonly string OwnPrefix = string.Create(CultureInfo.InvariantCulture, $"{Mark}{Environment.ProcessId}-");
    private static int _lastNumber;

    private readonly string _prefix;
    private readonly Dictionary<Role, int> _numbers;
    private readonly string _folder;

    public NetworkNamespaces(IReadOnlyList<Role> roles)
    {
        Sweep();
        _folder = Directory.CreateTempSubdirectory("elastictrain-spec-").FullName;
        _prefix = $"{OwnPrefix}{Interlocked.Increment(ref _lastNumber)}-";
        _numbers = roles.Select((role, i) => (role, i)).ToDictionary(r => r.role, r => r.i + 1);
        try
        {
            Ip("netns", "add", Hub);
            In(Hub, "link", "add", Bridge, "type", "bridge");
            In(Hub, "link", "set", Bridge, "up");
            foreach ((Role role, int number) in _numbers) Connect(role, number);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Why namespaces cannot be made here; null if they can. Tries it out.</summary>
    public static string? WhyNot()
    {
        if (!OperatingSystem.IsLinux()) return "network namespaces are Linux's";
        try
        {
            var trial = new Role("trial");
            using var network = new NetworkNamespaces([trial]);
            Ip([.. network.Prefix(trial).Skip(1), "true"]);
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return $"network namespaces cannot be made here (root, iproute2, bridge and veth are needed): {e.Message}";
        }
    }

    /// <summary>Namespaces of this process that are there now.</summary>
    public static IEnumerable<string> Own() => Names().Where(n => n.StartsWith(OwnPrefix, StringComparison.Ordinal));

    public string Endpoint => Path.Combine(_folder, "conductor");

    private string Hub => $"{_prefix}hub";

    public Socket Listen()
    {
        // A Unix socket: a namespace has a loopback of its own, and the conductor's word must come through when links are down.
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Endpoint));
        socket.Listen();
        return socket;
    }

    public string Host(Role role) => string.Create(CultureInfo.InvariantCulture, $"10.83.0.{_numbers[role]}");

    public IReadOnlyList<string> Prefix(Role role) => ["ip", "netns", "exec", Name(role)];

    public string? SetLink(Role role, bool up)
    {
        // At the bridge: the node's own interface keeps its address and routes, and only loses its carrier.
        In(Hub, "link", "set", Port(_numbers[role]), up ? "up" : "down");
        return null;
    }

    public void Dispose()
    {
        Delete(_prefix);
        Directory.Delete(_folder, recursive: true);
    }

    private void Connect(Role role, int number)
    {
        string name = Name(role);
        Ip("netns", "add", name);
        In(Hub, "link", "add", Port(number), "type", "veth", "peer", "name", Link, "netns", name);
        In(Hub, "link", "set", Port(number), "master", Bridge, "up");
        In(name, "link", "set", "lo", "up");
        In(name, "address", "add", $"{Host(role)}/24", "dev", Link);
        In(name, "link", "set", Link, "up");
    }

    private static string Port(int number) => string.Create(CultureInfo.InvariantCulture, $"port{number}");

    private string Name(Role role) => _prefix + role.Name;

    /// <summary>Deletes what a test process that was killed has left.</summary>
    private static void Sweep()
    {
        foreach (string pid in Names().Select(n => n[Mark.Length..].Split('-')[0]).Distinct())
            if (int.TryParse(pid, CultureInfo.InvariantCulture, out int number) && !Processes.IsAlive(number)) Delete($"{Mark}{pid}-");
    }

    private static void Delete(string prefix)
    {
        foreach (string name in Names().Where(n => n.StartsWith(prefix, StringComparison.Ordinal))) Ip("netns", "delete", name);
    }

    private static IEnumerable<string> Names() =>
        Ip("netns", "list").Split('\n').Select(l => l.Split(' ')[0]).Where(n => n.StartsWith(Mark, StringComparison.Ordinal)).ToArray();

    private static void In(string name, params string[] arguments) => Ip(["-n", name, .. arguments]);

    private static string Ip(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output
            : throw new InvalidOperationException($"ip {string.Join(' ', arguments)} ended with code {process.ExitCode}: {error.Result.Trim()}");
    }
}
