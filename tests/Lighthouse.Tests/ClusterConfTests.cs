using System.Reflection;
using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Configuration.Hocon;
using Akka.Coordination;
using ElasticTrain.Core;
using ElasticTrain.Membership;

namespace ElasticTrain.Lighthouse.Tests;

public class ClusterConfTests
{
    [Fact]
    public void Every_setting_of_cluster_conf_is_one_that_Akka_reads()
    {
        Config reference = References();
        string[] unknown = [.. Keys(ConfigurationFactory.ParseString(ClusterDefaults.Hocon))
            .Where(key => key.StartsWith("akka.", StringComparison.Ordinal) && !IsKnown(reference, key))];
        Assert.Empty(unknown);
    }

    [Theory]
    [InlineData("akka.cluster.gossip-intervall = 1s")]
    [InlineData("akka.cluster.split-brain-resolver.lease-majority.release-afterwards = 1s")]
    public void A_misspelt_setting_would_be_found(string hocon)
    {
        Assert.Contains(Keys(ConfigurationFactory.ParseString(hocon)), key => !IsKnown(References(), key));
    }

    [Theory]
    [InlineData("akka.actor.internal-dispatcher")]
    [InlineData("akka.remote.default-remote-dispatcher")]
    [InlineData("elastictrain.cluster-dispatcher")]
    public async Task Membership_goes_on_while_the_thread_pool_is_full_of_work(string dispatcher)
    {
        using ActorSystem system = Clusters.Member();
        using var release = new ManualResetEventSlim();
        Task[] work = [.. Enumerable.Range(0, 16).Select(_ => Task.Run(release.Wait))];
        try
        {
            IActorRef probe = system.ActorOf(Props.Create<ThreadProbe>().WithDispatcher(dispatcher));
            // The pause that the failure detector accepts.
            Assert.True(await probe.Ask<bool>("is this a thread of the pool?", TimeSpan.FromSeconds(2)));
        }
        finally
        {
            release.Set();
        }
        await Task.WhenAll(work);
        await system.Terminate();
    }

    private sealed class ThreadProbe : ReceiveActor
    {
        public ThreadProbe() => Receive<string>(_ => Sender.Tell(Thread.CurrentThread.IsThreadPoolThread));
    }

    /// <summary>What Akka itself ships as its defaults, of every module that the project uses.</summary>
    private static Config References()
    {
        Assembly[] modules =
        [
            typeof(ActorSystem).Assembly, typeof(Akka.Remote.RemoteActorRefProvider).Assembly, typeof(Akka.Cluster.Cluster).Assembly,
            typeof(ClusterSingletonManager).Assembly, typeof(ClusterSharding).Assembly, typeof(Akka.DistributedData.DistributedData).Assembly,
            typeof(Lease).Assembly,
        ];
        IEnumerable<Config> parts = modules.SelectMany(m => m.GetManifestResourceNames().Where(n => n.EndsWith(".conf", StringComparison.Ordinal)).Select(n =>
        {
            using var reader = new StreamReader(m.GetManifestResourceStream(n)!);
            return ConfigurationFactory.ParseString(reader.ReadToEnd());
        }));
        return parts.Aggregate((all, next) => all.WithFallback(next));
    }

    /// <summary>A dispatcher or a failure detector may take any setting that another one of its kind has.</summary>
    private static bool IsKnown(Config reference, string key)
    {
        if (reference.HasPath(key) || key is $"{LedgerSettings.Path}.provider" or $"{LedgerSettings.Path}.connection-string") return true;
        string[] like = ["akka.actor.default-dispatcher", "akka.cluster.distributed-data"];
        (string Of, string As)[] kinds =
        [
            ("akka.remote.default-remote-dispatcher", like[0]), ("akka.remote.backoff-remote-dispatcher", like[0]), ("akka.actor.internal-dispatcher", like[0]),
            ("akka.cluster.sharding.distributed-data", like[1]),
            (LedgerSettings.Path, "akka.coordination.lease"),
        ];
        return kinds.Any(k => key.StartsWith(k.Of + ".", StringComparison.Ordinal) && reference.HasPath(k.As + key[k.Of.Length..]));
    }

    private static IEnumerable<string> Keys(Config config) => Keys("", config.Root.GetObject());

    private static IEnumerable<string> Keys(string path, HoconObject values)
    {
        foreach ((string key, HoconValue value) in values.Items)
        {
            string name = path.Length == 0 ? key : $"{path}.{key}";
            if (value.IsObject()) foreach (string inner in Keys(name, value.GetObject())) yield return inner;
            else yield return name;
        }
    }
}
