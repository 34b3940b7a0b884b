using Akka.Actor;

namespace ElasticTrain.Scale;

/// <summary>An address in the model: to the coordinator an actor reference like any other.</summary>
internal sealed class Ref(ActorPath path, Action<object> receive) : MinimalActorRef
{
    public override ActorPath Path { get; } = path;

    public override IActorRefProvider Provider => throw new NotSupportedException("An address of the model has no actor system.");

    public void Deliver(object message) => receive(message);

    protected override void TellInternal(object message, IActorRef sender) => throw new NotSupportedException("Messages of the model go through its network.");
}
