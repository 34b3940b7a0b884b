using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;

namespace ElasticTrain.Host.Launching;

/// <summary>The command lines and environments that the launcher gives to its processes.</summary>
internal sealed class NodeCommandLine(LaunchOptions options)
{
    private const string Host = "127.0.0.1";

    /// <summary>
    /// The actor system's name: one of the run's own, so that a node whose Lighthouse is gone cannot end up in the cluster of another run that took its port.
    /// </summary>
    public string SystemName { get; } =
        Environment.GetEnvironmentVariable("ACTORSYSTEM") is { Length: > 0 } given ? given
        : $"{ClusterDefaults.SystemName}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(options.RunDirectory))))[..8]}";

    /// <summary>Names of the worker nodes.</summary>
    public IEnumerable<string> NodeNames => Enumerable.Range(1, options.Nodes).Select(i => string.Create(CultureInfo.InvariantCulture, $"node-{i}"));

    /// <summary>
    /// Arguments of the Lighthouse. It forms the cluster only while no node is up in one; afterwards it joins the nodes, as a second cluster beside
    /// theirs would split the run.
    /// </summary>
    public IReadOnlyList<string> Lighthouse(int port)
    {
        string[] nodes = [.. NodeFile.ReadLive(options.RunDirectory).Where(n => n.Cluster is not null).Select(n => n.Cluster!)];
        List<string> arguments = ["--port", Text(port), "--parent", ProcessIdentity.Current.ToString()];
        if (nodes.Length > 0) arguments.AddRange(["--seeds", string.Join(',', nodes), "--join-timeout", "20"]);
        return arguments;
    }

    /// <summary>Arguments of a node. It joins through the Lighthouse, or through any other node that is up.</summary>
    public IReadOnlyList<string> Node(string name, int lighthousePort)
    {
        IEnumerable<string> others = NodeFile.ReadLive(options.RunDirectory)
            .Where(n => n.Name != name && n.Cluster is not null)
            .Select(n => n.Cluster![(n.Cluster!.LastIndexOf('@') + 1)..]);
        return
        [
            "node", options.PlanFile,
            "--name", name,
            "--seeds", string.Join(',', others.Prepend($"{Host}:{Text(lighthousePort)}")),
            "--roles", "coordinator,worker",
            "--run-dir", options.RunDirectory,
            "--parent", ProcessIdentity.Current.ToString(),
            .. options.ExtraArguments,
        ];
    }

    /// <summary>Environment on top of the launcher's own; null takes a variable away.</summary>
    public IReadOnlyDictionary<string, string?> Variables
    {
        get
        {
            var variables = new Dictionary<string, string?>
            {
                ["ACTORSYSTEM"] = SystemName,
                ["CLUSTER_IP"] = Host,
                ["CLUSTER_PORT"] = null,
                ["CLUSTER_SEEDS"] = null,
            };
            foreach ((string name, string value) in options.Ledger?.Variables ?? [])
                variables[name] = Environment.GetEnvironmentVariable(name) is { Length: > 0 } given ? given : value;
            return variables;
        }
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
