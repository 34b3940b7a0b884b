using Akka.Actor;
using Akka.Configuration;
using Akka.Remote;
using Akka.Remote.Transport;
using Akka.TestKit;
using ElasticTrain.Core;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>Actor systems of spec nodes: the project's own cluster settings, with a transport that can be throttled and with the TestKit's settings.</summary>
public static class SpecSystem
{
    /// <summary>The setting that makes links throttleable. It changes the addresses' scheme, so all members of a cluster need it. (Akka's other adapter, gremlin, drops nothing.)</summary>
    public const string Throttled = "akka.remote.dot-netty.tcp.applied-adapters=[trttl]";

    /// <summary>What a node of a spec has above the deployed settings.</summary>
    internal static string Overrides { get; } = $$"""
        {{Throttled}}
        akka.extensions = ["{{typeof(SystemCapture).FullName}}, {{typeof(SystemCapture).Assembly.GetName().Name}}"]
        akka.test {
          {{TestKitBase.DefaultConfig.GetConfig("akka.test").Root}}
          default-timeout = 20s
          single-expect-default = 10s
        }

        """;

    /// <summary>Remoting and cluster as deployed; joins the seeds, if there are any.</summary>
    public static ActorSystem Start(SpecNode node)
    {
        ClusterEnvironment cluster = node.Cluster;
        string seeds = string.Join(", ", cluster.Seeds.Select(s => $"\"{s}\""));
        return ActorSystem.Create(cluster.SystemName, ConfigurationFactory.ParseString(cluster.Overrides)
            .WithFallback(ConfigurationFactory.ParseString($"{cluster.RemoteHocon}\nakka.cluster.seed-nodes = [{seeds}]"))
            .WithFallback(ConfigurationFactory.ParseString(ClusterDefaults.Hocon)));
    }

    /// <summary>An actor system without remoting, for a role that only conducts.</summary>
    public static ActorSystem StartLocal(SpecNode node) =>
        ActorSystem.Create(node.Role.Name, ConfigurationFactory.ParseString(Overrides).WithFallback(ConfigurationFactory.ParseString("akka.loglevel = WARNING")));

    /// <summary>Drops or passes what a system exchanges with an address, from now on, on links that are there and on later ones.</summary>
    internal static async Task ThrottleAsync(ActorSystem system, Address other, Direction direction, bool blackhole)
    {
        RemoteTransport transport = ((IRemoteActorRefProvider)((ExtendedActorSystem)system).Provider).Transport;
        ThrottleMode mode = blackhole ? Blackhole.Instance : Unthrottled.Instance;
        if (!await transport.ManagementCommand(new SetThrottle(other, direction, mode)))
            throw new InvalidOperationException($"the transport of {system.Name} did not take the throttle for {other}");
    }
}

/// <summary>An Akka extension that tells which actor system was started in this process, where the product keeps it to itself.</summary>
public sealed class SystemCapture : ExtensionIdProvider<SystemCapture.Captured>
{
    private static readonly TaskCompletionSource<ActorSystem> Seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Marks that the extension is loaded.</summary>
    public sealed class Captured : IExtension;

    /// <summary>The process's actor system.</summary>
    public static Task<ActorSystem> System => Seen.Task;

    /// <inheritdoc/>
    public override Captured CreateExtension(ExtendedActorSystem system)
    {
        Seen.TrySetResult(system);
        return new Captured();
    }
}
