using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using ElasticTrain.Core;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Lighthouse.Tests;

/// <summary>Members of a cluster that live in the test's own process.</summary>
internal static class Clusters
{
    public static ActorSystem Member(int port = 0)
    {
        var environment = new ClusterEnvironment(ClusterDefaults.SystemName, "127.0.0.1", port, [], "");
        return ActorSystem.Create(environment.SystemName, ConfigurationFactory.ParseString("akka.loglevel = ERROR\nakka.stdout-loglevel = ERROR")
            .WithFallback(ConfigurationFactory.ParseString(environment.RemoteHocon))
            .WithFallback(ConfigurationFactory.ParseString(ClusterDefaults.Hocon)));
    }

    public static Cluster Join(this ActorSystem system, string seed)
    {
        Cluster cluster = Cluster.Get(system);
        cluster.JoinSeedNodes([Address.Parse(seed)]);
        return cluster;
    }

    public static string Up(this Cluster cluster) =>
        string.Join(", ", cluster.State.Members.Where(m => m.Status == MemberStatus.Up).Select(m => m.Address.Port).Order());

    public static Task WaitForUpAsync(this Cluster cluster, params int[] ports)
    {
        string expected = string.Join(", ", ports.Append(cluster.SelfAddress.Port!.Value).Order());
        return Wait.UntilAsync(() => cluster.Up() == expected && cluster.State.Unreachable.Count == 0, $"members {expected}", state: cluster.Up);
    }
}
