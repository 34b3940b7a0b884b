using System.Globalization;
using System.Text;

namespace ElasticTrain.Core;

/// <summary>
/// Where a process stands in the cluster, by the environment names that Petabridge's Lighthouse uses: <c>ACTORSYSTEM</c>, <c>CLUSTER_IP</c>,
/// <c>CLUSTER_PORT</c>, <c>CLUSTER_SEEDS</c>, and any setting as <c>AKKA__PATH__TO__KEY</c>.
/// </summary>
/// <param name="SystemName">Name of the actor system.</param>
/// <param name="Host">Host name or address under which others reach this process.</param>
/// <param name="Port">Port of Akka.Remote; 0 lets the system choose one.</param>
/// <param name="Seeds">Full addresses (<c>akka.tcp://Name@host:port</c>) of the seed nodes, in order.</param>
/// <param name="Overrides">HOCON text of the <c>AKKA__</c> variables; empty if there are none. Goes above every other setting.</param>
public sealed record ClusterEnvironment(string SystemName, string Host, int Port, IReadOnlyList<string> Seeds, string Overrides)
{
    /// <summary>Reads the process's environment.</summary>
    /// <param name="defaultPort">The port when <c>CLUSTER_PORT</c> is not set.</param>
    public static ClusterEnvironment Read(int defaultPort)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        return Read(variables, defaultPort);
    }

    /// <summary>Reads the given variables.</summary>
    /// <param name="variables">Names and values; an empty value is as good as none.</param>
    /// <param name="defaultPort">The port when <c>CLUSTER_PORT</c> is not set.</param>
    /// <exception cref="BadInputException">A value that cannot be read.</exception>
    public static ClusterEnvironment Read(IReadOnlyDictionary<string, string> variables, int defaultPort)
    {
        string system = Value("ACTORSYSTEM") ?? ClusterDefaults.SystemName;
        int port = Value("CLUSTER_PORT") is { } text ? ParsePort("CLUSTER_PORT", text) : defaultPort;
        return new ClusterEnvironment(
            CheckSystemName("ACTORSYSTEM", system),
            Value("CLUSTER_IP") ?? "127.0.0.1",
            port,
            ParseSeeds("CLUSTER_SEEDS", Value("CLUSTER_SEEDS") ?? "", system),
            HoconOf(variables));

        string? Value(string name) => variables.TryGetValue(name, out string? value) && value.Trim() is { Length: > 0 } trimmed ? trimmed : null;
    }

    /// <summary>This process's own address.</summary>
    public string Address => AddressOf(SystemName, Host, Port);

    /// <summary>
    /// HOCON of <c>akka.remote.dot-netty.tcp</c>: a loopback host is bound as it stands; any other is what others are told, and all interfaces are bound.
    /// </summary>
    public string RemoteHocon => string.Create(CultureInfo.InvariantCulture, $$"""
        akka.remote.dot-netty.tcp {
          hostname = "{{(IsLoopback(Host) ? Host : "0.0.0.0")}}"
          public-hostname = "{{Host}}"
          port = {{Port}}
        }
        """);

    /// <summary>The full address of an actor system.</summary>
    public static string AddressOf(string system, string host, int port) =>
        string.Create(CultureInfo.InvariantCulture, $"akka.tcp://{system}@{host}:{port}");

    /// <summary>Reads a comma-separated list of seeds: full addresses, or <c>HOST:PORT</c> of systems of this name.</summary>
    /// <param name="where">Names the source in an error.</param>
    /// <param name="text">The list; empty gives an empty list.</param>
    /// <param name="system">The actor system's name.</param>
    /// <exception cref="BadInputException">An entry that is no address, or one of a system of another name.</exception>
    public static IReadOnlyList<string> ParseSeeds(string where, string text, string system)
    {
        const string scheme = "akka.tcp://";
        var seeds = new List<string>();
        foreach (string entry in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string rest = entry.StartsWith(scheme, StringComparison.Ordinal) ? entry[scheme.Length..] : $"{system}@{entry}";
            int at = rest.IndexOf('@', StringComparison.Ordinal), colon = rest.LastIndexOf(':');
            if (at <= 0 || colon <= at + 1) throw Bad(entry);
            if (rest[..at] != system) throw new BadInputException(where, $"'{entry}'", $"a seed of the actor system {system}");
            if (!int.TryParse(rest[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port is < 1 or > 65535) throw Bad(entry);
            string address = AddressOf(system, rest[(at + 1)..colon], port);
            if (!seeds.Contains(address)) seeds.Add(address);
        }
        return seeds;

        BadInputException Bad(string entry) => new(where, $"'{entry}'", "HOST:PORT or akka.tcp://Name@HOST:PORT, separated by commas");
    }

    /// <summary>Reads a port number, 0 to 65535.</summary>
    /// <exception cref="BadInputException">Anything else.</exception>
    public static int ParsePort(string where, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port <= 65535
            ? port
            : throw new BadInputException(where, $"'{text}'", "a port from 0 to 65535");

    /// <summary>Checks that Akka takes this name for an actor system.</summary>
    /// <exception cref="BadInputException">It does not.</exception>
    public static string CheckSystemName(string where, string name) =>
        name.Length > 0 && char.IsAsciiLetterOrDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            ? name
            : throw new BadInputException(where, $"'{name}'", "a name of letters, digits, '-' and '_' that starts with a letter or digit");

    private static bool IsLoopback(string host) =>
        host == "localhost" || (System.Net.IPAddress.TryParse(host, out var address) && System.Net.IPAddress.IsLoopback(address));

    /// <summary><c>AKKA__CLUSTER__GOSSIP_INTERVAL=1s</c> is <c>akka.cluster.gossip-interval = 1s</c>; names that end in <c>__0</c>, <c>__1</c>, ... form a list.</summary>
    private static string HoconOf(IReadOnlyDictionary<string, string> variables)
    {
        var text = new StringBuilder();
        var lists = new SortedDictionary<string, SortedDictionary<int, string>>(StringComparer.Ordinal);
        foreach ((string name, string value) in variables.OrderBy(v => v.Key, StringComparer.Ordinal))
        {
            if (!name.StartsWith("AKKA__", StringComparison.Ordinal)) continue;
            string path = name.Replace("__", ".", StringComparison.Ordinal).Replace('_', '-').ToLowerInvariant();
            int dot = path.LastIndexOf('.');
            if (int.TryParse(path[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int index))
            {
                if (!lists.TryGetValue(path[..dot], out var list)) lists[path[..dot]] = list = [];
                list[index] = HoconText.Quote(value);
            }
            else
            {
                text.Append(path).Append(" = ").Append(value.TrimStart() is ['[' or '{', ..] ? value : HoconText.Quote(value)).Append('\n');
            }
        }
        foreach ((string path, var list) in lists) text.Append(path).Append(" = [").AppendJoin(", ", list.Values).Append("]\n");
        return text.ToString();
    }
}
