using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Runs;

/// <summary>What a coordinator needs to know of its run: the same on every node.</summary>
/// <param name="Run">The run.</param>
/// <param name="Plan">The plan.</param>
/// <param name="Layout">Parameters and shards.</param>
/// <param name="VirtualRanks">V.</param>
/// <param name="PlanHash">Canonical hash of plan and data.</param>
/// <param name="NumericsClass">Golden probe of the coordinator's node.</param>
/// <param name="Initial">D(0).</param>
/// <param name="UnmaskedTokens">Tokens that count in a step's loss, over all ranks, by the data that the journal has for it; it throws where these cannot be read.</param>
/// <param name="PlanAt">The plan as the journal has amended it for a step.</param>
public sealed record RunFacts(
    RunId Run, Plan Plan, ParameterLayout Layout, int VirtualRanks, Digest256 PlanHash, Digest256 NumericsClass, Digest256 Initial,
    Func<RunState, Step, long> UnmaskedTokens, Func<RunState, Step, Plan> PlanAt);

/// <summary>
/// Everything through which a <see cref="Coordinator"/> touches the world: the actor around it, or a simulation. All calls come from one thread, and
/// nothing calls back before the call has returned.
/// </summary>
public interface ICoordinatorHost
{
    /// <summary>The time, for patience only: no bit depends on it.</summary>
    DateTime UtcNow { get; }

    /// <summary>Where answers go.</summary>
    IActorRef Self { get; }

    /// <summary>The coordinator's node.</summary>
    NodeId Node { get; }

    /// <summary>Its process.</summary>
    int Pid { get; }

    /// <summary>The node's checkpoint writer.</summary>
    IActorRef CheckpointWriter { get; }

    /// <summary>Number of the newest event.</summary>
    long JournalLength { get; }

    /// <summary>Whether the run's folder knows that it has journaled before.</summary>
    bool HasJournaled { get; }

    /// <summary>Lines for the operator.</summary>
    RunNotes Notes { get; }

    /// <summary>Where the time of steps goes.</summary>
    StepClock Clock { get; }

    /// <summary>Sends a message, which may be lost.</summary>
    void Tell(IActorRef to, object message);

    /// <summary>Brings a message to a replica's entity, which need not live yet.</summary>
    void TellEntity(ReplicaPlacement placement, object message);

    /// <summary>Makes an event durable; several in the order of the calls. <paramref name="durable"/> is called once it is, if ever.</summary>
    void Record(IRunEvent @event, Action durable);

    /// <summary>The run's folder remembers that the journal has begun.</summary>
    void MarkJournaled();

    /// <summary>Sends the coordinator a message later, once; another one of the same key takes its place.</summary>
    void After(TimeSpan time, string key, object message);

    /// <summary>Whether a node is a member of the cluster.</summary>
    bool IsMember(NodeId node);

    /// <summary>Whether the cluster has not given a node up.</summary>
    bool MayBeAlive(NodeId node);

    /// <summary>Watches the connection to a node's tensor server: <see cref="LinkUp"/> once it is there, <see cref="LinkLost"/> when it breaks or cannot be made.</summary>
    void WatchLink(NodeId node, string dataPlane);

    /// <summary>Asks whether a node's process still listens where it did: a <see cref="NodeGone"/> comes if that is refused, and nothing if not.</summary>
    void Probe(NodeId node);

    /// <summary>Looks for the newest stored state among some versions, and sends the coordinator a <see cref="StartPoint"/> or <see cref="StartPointFailed"/>.</summary>
    void FindStartPoint(int attempt, IReadOnlySet<Lineage> versions);

    /// <summary>Saves the fold over the journal, so that it need not be read from its beginning.</summary>
    void SaveSnapshot(RunSnapshot snapshot);

    /// <summary>Ends this process.</summary>
    void EndProcess(RunEnded end);

    /// <summary>A step was decided: for who watches its numbers.</summary>
    void Decided(Freezing.StepDecided step);

    /// <summary>The coordinator's term is durable: everybody may hear of it.</summary>
    void TookOffice(Term term);

    /// <summary>This coordinator is over: another one has a higher term.</summary>
    void StepDown(Term newer);
}

/// <summary>The stored state to start from.</summary>
/// <param name="Attempt">The question that it answers.</param>
/// <param name="Manifest">The newest checkpoint that verifies; null for the initial state.</param>
/// <param name="Problems">What is wrong with newer ones.</param>
/// <param name="Bad">Those.</param>
public sealed record StartPoint(int Attempt, CheckpointManifest? Manifest, IReadOnlyList<string> Problems, IReadOnlyList<Lineage> Bad);

/// <summary>The storage could not be read.</summary>
/// <param name="Attempt">The question that it answers.</param>
/// <param name="Error">What went wrong.</param>
public sealed record StartPointFailed(int Attempt, Exception Error);

/// <summary>A node's tensor server answers.</summary>
/// <param name="Node">The node.</param>
public sealed record LinkUp(NodeId Node);

/// <summary>The connection to a node's tensor server is gone: most likely its process is.</summary>
/// <param name="Node">The node.</param>
/// <param name="Reason">For people.</param>
public sealed record LinkLost(NodeId Node, string Reason);

/// <summary>A node's machine refuses connections to where its process listened: most certainly it has ended, long before the cluster puts it out.</summary>
/// <param name="Node">The node.</param>
public sealed record NodeGone(NodeId Node);

/// <summary>What the cluster thinks of a node has changed.</summary>
/// <param name="Address">Its cluster address.</param>
/// <param name="Uid">Its incarnation.</param>
/// <param name="Change">What has changed.</param>
public sealed record MembershipChanged(string Address, int Uid, MembershipChange Change);

/// <summary>A change of membership.</summary>
public enum MembershipChange
{
    /// <summary>It left, or was put out.</summary>
    Gone,

    /// <summary>The failure detector does not hear it.</summary>
    Unreachable,

    /// <summary>The failure detector hears it again.</summary>
    Reachable,
}
