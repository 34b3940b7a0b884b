using Akka.Actor;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>A spec that the kit can start: a <see cref="MultiNodeSpec"/> with a constructor that takes a <see cref="SpecNode"/>.</summary>
public interface IMultiNodeSpec
{
    /// <summary>Who takes part, and how.</summary>
    static abstract MultiNodeConfig Config { get; }
}

/// <summary>What a spec consists of. Read by the conductor and by each node's process.</summary>
/// <param name="roles">The roles; each is one process.</param>
public sealed class MultiNodeConfig(params Role[] roles)
{
    /// <summary>The roles that run the spec's code.</summary>
    public IReadOnlyList<Role> Roles { get; } = roles;

    /// <summary>Makes a node's actor system, in the node's process. Default: remoting with the project's cluster settings, in no cluster.</summary>
    public Func<SpecNode, ActorSystem> System { get; init; } = SpecSystem.Start;

    /// <summary>Whether a Lighthouse is started first; it is every node's seed.</summary>
    public bool WithLighthouse { get; init; }

    /// <summary>Whether each process has a network namespace of its own, so that links can be cut. Needs root; see <see cref="NetworkNamespaces.WhyNot"/>.</summary>
    public bool InNamespaces { get; init; }

    /// <summary>How long the first to enter a barrier waits for the last.</summary>
    public TimeSpan BarrierTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the spec's code may take, from when all nodes are there.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>The role whose code decides: when it has ended, the spec has passed, whatever the others still do. Null: the code of all must end.</summary>
    public Role? EndsWith { get; init; }

    /// <summary>A process that ends with this code is started again as the next life of its role, as a supervisor would; null: any end that was not asked for fails the spec.</summary>
    public int? RestartedExitCode { get; init; }
}
