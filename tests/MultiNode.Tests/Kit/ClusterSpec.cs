using Akka.Actor;
using Akka.Cluster;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>A spec about cluster members.</summary>
public abstract class ClusterSpec(SpecNode node) : MultiNodeSpec(node)
{
    /// <summary>Three processes on two busy cores take their time.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    /// <summary>This node's view.</summary>
    protected Cluster Cluster => Cluster.Get(Sys);

    /// <summary>Waits until this node sees exactly these roles, all up and reachable.</summary>
    protected void AwaitMembersUp(params Role[] roles)
    {
        string[] expected = [.. roles.Select(r => $"{Node(r)} Up").Order()];
        AwaitAssert(() => Assert.Equal(expected, Members()), Patience, TimeSpan.FromMilliseconds(50));
    }

    /// <summary>Waits until this node has been put out of the cluster, and its actor system has ended because of it.</summary>
    protected void AwaitRemoved()
    {
        bool ended = Sys.WhenTerminated.Wait(Patience);
        Assert.True(ended, $"{Self.Role} was not put out of the cluster within {Patience.TotalSeconds:0} s; it sees {string.Join(", ", Members())}");
        Assert.True(Cluster.IsTerminated);
    }

    /// <summary>Each member's address and status, unreachable ones marked.</summary>
    protected string[] Members()
    {
        ClusterEvent.CurrentClusterState state = Cluster.State;
        return [.. state.Members.Select(m => $"{m.Address} {m.Status}{(state.Unreachable.Contains(m) ? ", unreachable" : "")}").Order()];
    }
}
