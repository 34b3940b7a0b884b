using System.Globalization;
using Akka.Configuration;
using ElasticTrain.Core;
using ElasticTrain.Membership;

namespace ElasticTrain.Lighthouse;

/// <summary>What a Lighthouse is told on its command line, on top of its environment.</summary>
/// <param name="Cluster">Name, address, seeds and overrides.</param>
/// <param name="Form">Form a cluster even if others are named as seeds.</param>
/// <param name="JoinTimeout">How long to look for the cluster to join.</param>
/// <param name="Parent">End when this process has ended; null: never.</param>
internal sealed record LighthouseOptions(ClusterEnvironment Cluster, bool Form, TimeSpan JoinTimeout, ProcessIdentity? Parent)
{
    /// <summary>The text of <c>--help</c>.</summary>
    public const string Help = """
        lighthouse: the seed node of an ElasticTrain cluster. It runs no training code, so it is never redeployed.

        usage: lighthouse [options]

          --system NAME           name of the actor system, the same on every member   ACTORSYSTEM     default ElasticTrain
          --ip HOST               host or address under which others reach it          CLUSTER_IP      default 127.0.0.1
          --port PORT             its port                                             CLUSTER_PORT    default 4053
          --seeds A,B,...         akka.tcp://Name@host:port or host:port               CLUSTER_SEEDS   default none
          --form                  form a cluster, whatever the seeds say
          --join-timeout SECONDS  give up joining after this long                                      default 30
          --parent PID[:START]    end within 5 s when that process has ended
          --set PATH=VALUE        any Akka setting, also as AKKA__PATH__TO__KEY; may be repeated

        Before it puts members out of the cluster that it lost sight of, it asks the downing ledger, a table that the run's nodes write to as well:
          AKKA__CLUSTER__SPLIT_BRAIN_RESOLVER__DOWNING_LEDGER__PROVIDER            sqlite or postgresql
          AKKA__CLUSTER__SPLIT_BRAIN_RESOLVER__DOWNING_LEDGER__CONNECTION_STRING   the run's database, or its journal/membership.db
        Without one the majority goes on.

        It forms a cluster if it has no seeds, or is itself the first of them and no other seed answers. With seeds that begin with another
        one it joins them or ends with code 1: it never forms a second cluster.

        exit codes: 0 left the cluster when asked to, 1 could not join, or was removed, 2 bad usage, 3 its port is taken
        """;

    /// <summary>Reads the arguments; each option stands for the environment variable of the same meaning and goes above it.</summary>
    /// <exception cref="BadInputException">An option that is unknown, lacks its value, or has one that cannot be read.</exception>
    public static LighthouseOptions Parse(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var variables = new Dictionary<string, string>(environment, StringComparer.Ordinal);
        bool form = false;
        var timeout = TimeSpan.FromSeconds(30);
        ProcessIdentity? parent = null;
        var settings = new List<string>();
        for (int i = 0; i < arguments.Count; i++)
        {
            string option = arguments[i];
            switch (option)
            {
                case "--form": form = true; break;
                case "--system": variables["ACTORSYSTEM"] = Value(); break;
                case "--ip": variables["CLUSTER_IP"] = Value(); break;
                case "--port": variables["CLUSTER_PORT"] = Value(); break;
                case "--seeds": variables["CLUSTER_SEEDS"] = Value(); break;
                case "--join-timeout": timeout = Seconds(Value()); break;
                case "--parent": parent = ProcessIdentity.Parse(Value()); break;
                case "--set": settings.Add(Setting(Value())); break;
                default: throw new BadInputException("command line", $"'{option}'", "an option that lighthouse --help lists");
            }

            string Value() => ++i < arguments.Count ? arguments[i] : throw new BadInputException("command line", $"{option} without a value", "a value");
        }

        ClusterEnvironment cluster = ClusterEnvironment.Read(variables, ClusterDefaults.SeedPort);
        if (cluster.Port == 0) throw new BadInputException("--port", "0", "a fixed port: others find this node by it");
        cluster = cluster with { Overrides = cluster.Overrides + string.Join('\n', settings) };
        LedgerSettings.Read(ConfigurationFactory.ParseString(cluster.Overrides).GetConfig(LedgerSettings.Path) ?? Config.Empty);
        return new LighthouseOptions(cluster, form, timeout, parent);
    }

    private static TimeSpan Seconds(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and < 86400
            ? TimeSpan.FromSeconds(seconds)
            : throw new BadInputException("--join-timeout", $"'{text}'", "seconds above 0");

    private static string Setting(string text) =>
        text.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals
            ? $"{text[..equals].Trim()} = {text[(equals + 1)..].Trim()}"
            : throw new BadInputException("--set", $"'{text}'", "PATH=VALUE");
}
