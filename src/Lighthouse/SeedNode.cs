using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using ElasticTrain.Core;

namespace ElasticTrain.Lighthouse;

/// <summary>The life of one seed node: bind, form or join, stay until asked to leave or removed.</summary>
internal sealed class SeedNode(LighthouseOptions options, TextWriter output)
{
    private const int Done = 0, Failed = 1, PortTaken = 3;

    private readonly TaskCompletionSource leave = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Asks the node to leave the cluster in good order. May be called at any time and more than once.</summary>
    public void Leave() => leave.TrySetResult();

    /// <summary>Runs until the node has left; its result is the exit code.</summary>
    public async Task<int> RunAsync()
    {
        ClusterEnvironment cluster = options.Cluster;
        bool first = cluster.Seeds.Count == 0 || cluster.Seeds[0] == cluster.Address;
        ActorSystem system;
        try
        {
            system = ActorSystem.Create(cluster.SystemName, Configuration(cluster));
        }
        catch (Exception e) when (Causes(e).Any(c => c is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }))
        {
            return Say(PortTaken, $"port {cluster.Port} is taken: another process listens there");
        }

        Cluster membership = Cluster.Get(system);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        membership.RegisterOnMemberUp(() => up.TrySetResult());
        if (options.Form || cluster.Seeds.Count == 0) membership.Join(membership.SelfAddress);
        else membership.JoinSeedNodes(cluster.Seeds.Select(Address.Parse));

        Task ended = system.WhenTerminated;
        await Task.WhenAny(up.Task, leave.Task, ended, Task.Delay(options.JoinTimeout));
        if (up.Task.IsCompleted)
        {
            await output.WriteLineAsync($"lighthouse up at {membership.SelfAddress}");
            await Task.WhenAny(leave.Task, ended);
        }
        bool removed = ended.IsCompleted, asked = leave.Task.IsCompleted;
        await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClusterLeavingReason.Instance);

        if (!up.Task.IsCompleted && !asked)
        {
            string seeds = string.Join(", ", cluster.Seeds);
            return Say(Failed, first
                ? $"the cluster at {cluster.Address} was not up after {options.JoinTimeout.TotalSeconds:0.#} s"
                : $"none of the seeds {seeds} let this node in within {options.JoinTimeout.TotalSeconds:0.#} s. It was told to join a cluster, so it "
                  + "does not form a second one (--form would)");
        }
        return removed && !asked ? Say(Failed, "removed from the cluster: the other members hold this node for lost") : Done;
    }

    /// <summary>Environment over the node's own settings over what all members share.</summary>
    private static Config Configuration(ClusterEnvironment cluster) =>
        ConfigurationFactory.ParseString(cluster.Overrides)
            .WithFallback(ConfigurationFactory.ParseString(cluster.RemoteHocon))
            .WithFallback(ConfigurationFactory.ParseString($$"""
                akka.loggers = ["{{typeof(StandardErrorLogger).AssemblyQualifiedName}}"]
                akka.stdout-logger-class = "{{typeof(StandardErrorMinimalLogger).AssemblyQualifiedName}}"
                akka.cluster {
                  # The wait of a first seed for the others before it forms a cluster: longer than a node's, since a mistake here means two clusters.
                  seed-node-timeout = 5s
                  # The deadline of --join-timeout is this process's own.
                  shutdown-after-unsuccessful-join-seed-nodes = off
                }
                """))
            .WithFallback(ConfigurationFactory.ParseString(ClusterDefaults.Hocon));

    private static IEnumerable<Exception> Causes(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
        {
            yield return e;
            if (e is AggregateException { InnerExceptions.Count: > 1 } many)
                foreach (Exception cause in many.InnerExceptions.SelectMany(Causes)) yield return cause;
        }
    }

    private static int Say(int code, string reason)
    {
        Console.Error.WriteLine($"lighthouse: {reason}");
        return code;
    }
}
