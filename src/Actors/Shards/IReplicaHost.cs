using Akka.Actor;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// Everything through which a <see cref="ReplicaControl"/> touches the world: the actor around it, or a simulation. All calls come from one thread, and
/// nothing calls back before the call has returned.
/// </summary>
public interface IReplicaHost
{
    /// <summary>The replica's entity.</summary>
    IActorRef Self { get; }

    /// <summary>Its node.</summary>
    NodeId Node { get; }

    /// <summary>The node's run.</summary>
    RunId Run { get; }

    /// <summary>The node's checkpoint writer.</summary>
    IActorRef CheckpointWriter { get; }

    /// <summary>Where the time of steps goes.</summary>
    StepClock Clock { get; }

    /// <summary>Sends a message, which may be lost.</summary>
    void Tell(IActorRef to, object message);

    /// <summary>Makes the replica's tensors from a stored state or from a sibling's, and sends a <see cref="ReplicaLoaded"/> or <see cref="ReplicaLoadFailed"/>.</summary>
    void Load(ReplicaSource source);

    /// <summary>Makes a loaded replica reachable for devices and siblings; its seals come as messages.</summary>
    ShardReplica Serve(ReplicaLoaded loaded);

    /// <summary>Brings a sibling's sum of the gradient of a step to a replica as one block of all ranks, and sends a <see cref="GradientPulled"/> or <see cref="GradientPullFailed"/>.</summary>
    void PullGradient(ShardReplica replica, SiblingSource sibling, ApplyStep step);

    /// <summary>From now on sends <see cref="AskSibling"/> every so often, the first one at once, and <see cref="SiblingEnded"/> when the sibling ends.</summary>
    void BeginFollowing(SiblingSource sibling);

    /// <summary>Ends <see cref="BeginFollowing"/>.</summary>
    void EndFollowing(SiblingSource sibling);

    /// <summary>Sends the replica a message later, once.</summary>
    void After(TimeSpan time, object message);

    /// <summary>A line for the log.</summary>
    void Warn(string text);

    /// <summary>Ends the replica.</summary>
    void Stop();
}

/// <summary>A replica's tensors are there. Stays inside its node.</summary>
/// <param name="State">The tensors; owned by the replica from now on.</param>
/// <param name="Version">The version that they are of.</param>
/// <param name="Sibling">Where they were copied from; null for a stored state.</param>
public sealed record ReplicaLoaded(ShardState State, Lineage Version, SiblingSource? Sibling);

/// <summary>A replica's tensors could not be had. Stays inside its node.</summary>
/// <param name="Error">Why.</param>
public sealed record ReplicaLoadFailed(Exception Error);

/// <summary>Time to ask the sibling for its next step. Stays inside its node.</summary>
public sealed record AskSibling;

/// <summary>The sibling's sum of a step is here. Stays inside its node.</summary>
/// <param name="Step">The step's decision.</param>
public sealed record GradientPulled(ApplyStep Step);

/// <summary>The sibling's sum of a step could not be had. Stays inside its node.</summary>
/// <param name="Step">The step's decision.</param>
/// <param name="Error">Why.</param>
public sealed record GradientPullFailed(ApplyStep Step, Exception Error);

/// <summary>A sibling's entity has ended. Stays inside its node.</summary>
/// <param name="Actor">The entity.</param>
public sealed record SiblingEnded(IActorRef Actor);
