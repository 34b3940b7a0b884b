using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>
/// The code of a spec. It runs in each node's process, on a thread of its own, with the TestKit around the node's actor system; what only some
/// nodes do stands in <see cref="RunOn"/>.
/// </summary>
public abstract class MultiNodeSpec : TestKit
{
    /// <summary>Longer than any barrier's timeout, which the conductor watches.</summary>
    private static readonly TimeSpan BarrierPatience = TimeSpan.FromMinutes(5);

    /// <summary>Wraps the node's actor system.</summary>
    protected MultiNodeSpec(SpecNode node)
        : base(node.System)
    {
        Self = node;
        TestConductor = new TestConductor(node.Conductor);
    }

    /// <summary>This node.</summary>
    protected SpecNode Self { get; }

    /// <summary>Kills, stops, cuts and heals.</summary>
    protected TestConductor TestConductor { get; }

    /// <summary>What every node runs; the spec has passed when it has returned on all.</summary>
    public abstract void Run();

    /// <summary>Runs the code on nodes of the given roles only.</summary>
    protected void RunOn(Action code, params Role[] roles)
    {
        if (roles.Contains(Self.Role)) code();
    }

    /// <summary>Waits until all nodes have come here: all that were not killed.</summary>
    protected void EnterBarrier(string name) => EnterBarrier(name, null);

    /// <summary>Waits until the nodes of the given roles have come here; each of them must give the same roles.</summary>
    protected void EnterBarrier(string name, params Role[]? among) =>
        Self.Conductor.Request(id => new EnterBarrier(id, name, among is { Length: > 0 } ? [.. among.Select(r => r.Name)] : null), BarrierPatience);

    /// <summary>The address of another node.</summary>
    protected Address Node(Role role) => Self.Conductor.Addresses.TryGetValue(role.Name, out string? address)
        ? Address.Parse(address) : throw new ArgumentException($"nobody plays {role}", nameof(role));
}
