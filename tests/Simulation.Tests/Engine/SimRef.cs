using Akka.Actor;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.Engine;

/// <summary>An address: to the product's classes an actor reference like any other, which only the simulated network can send to.</summary>
public sealed class SimRef : MinimalActorRef
{
    private readonly Action<object, IActorRef> _receive;

    /// <summary>The address of a part of a process.</summary>
    /// <param name="process">The process.</param>
    /// <param name="name">Unique in it.</param>
    /// <param name="receive">What is done with a message.</param>
    public SimRef(SimProcess process, string name, Action<object, IActorRef> receive)
    {
        (Process, Name, _receive) = (process, name, receive);
        Path = process.Root / name;
    }

    /// <summary>Where it lives.</summary>
    public SimProcess Process { get; }

    /// <summary>Its name in the process.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public override ActorPath Path { get; }

    /// <inheritdoc/>
    public override IActorRefProvider Provider => throw new NotSupportedException("A simulated address has no actor system.");

    /// <summary>Handles a message at once.</summary>
    public void Deliver(object message, IActorRef sender) => _receive(message, sender);

    /// <inheritdoc/>
    public override string ToString() => $"{Process.Label}/{Name}";

    /// <inheritdoc/>
    protected override void TellInternal(object message, IActorRef sender) =>
        throw new NotSupportedException("Messages of a simulation go through its network.");
}
