using System.Reflection;
using System.Runtime.ExceptionServices;
using Akka.Actor;
using Akka.Cluster;
using ElasticTrain.Core;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>The program of one node: starts its actor system, runs the spec's code, reports, and waits for the conductor's word to end.</summary>
internal static class NodeProgram
{
    public static int Run(NodeStart start)
    {
        ProcessStarter.DieWithParent();
        if (!ProcessIdentity.Parse(start.Parent).IsAlive) return 1;
        ConductorClient client = ConductorClient.Connect(start);
        var result = new SpecResult(null, null);
        // Synchronous, on one thread: the TestKit keeps its implicit sender per thread.
        var thread = new Thread(() =>
        {
            try
            {
                Play(start, client);
            }
            catch (Exception e)
            {
                Exception cause = e is TargetInvocationException { InnerException: { } inner } ? inner : e;
                result = new SpecResult($"{cause.GetType().Name}: {cause.Message}", cause.ToString());
            }
        })
        { IsBackground = true, Name = "spec" };
        thread.Start();
        thread.Join();
        client.Send(result);
        client.Exit.Wait();
        return 0;
    }

    private static void Play(NodeStart start, ConductorClient client)
    {
        Type type = SpecPlayer.Find(start.Spec);
        var node = new SpecNode(start, client);
        node.System = SpecPlayer.ConfigOf(type).System(node);
        client.OnThrottle = throttle => SpecSystem.ThrottleAsync(node.System, Address.Parse(client.Addresses[throttle.Other]), throttle.Direction, throttle.Blackhole);
        var spec = (MultiNodeSpec)Activator.CreateInstance(type, node)!;
        client.Send(new Ready(AddressOf(node.System)));
        client.Started.Wait(); // as long as the conductor has patience
        spec.Run();
    }

    private static string AddressOf(ActorSystem system) => ((ExtendedActorSystem)system).Provider.DefaultAddress.ToString();
}
