using Akka.Actor;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>What an operator, the command line or a policy asks of a run. The client's id makes a retry harmless.</summary>
public interface IRunCommand
{
    /// <summary>Chosen by the client, the same on every retry.</summary>
    string CommandId { get; }

    /// <summary>Who asks.</summary>
    string Sender { get; }
}

/// <summary>Freeze the embedding and the layers 0 to <paramref name="LastLayer"/>.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asks.</param>
/// <param name="LastLayer">The highest layer to freeze.</param>
/// <param name="At">The first step affected; null: the first one not yet granted.</param>
/// <param name="DropMoments">Set the frozen shards' Adam moments to zero.</param>
public sealed record FreezeLayers(string CommandId, string Sender, int LastLayer, Step? At, bool DropMoments) : IRunCommand;

/// <summary>Train everything again.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asks.</param>
/// <param name="At">The first step affected; null: the first one not yet granted.</param>
public sealed record ThawLayers(string CommandId, string Sender, Step? At) : IRunCommand;

/// <summary>Change the learning rate, its schedule, the weight decay or the clip.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asks.</param>
/// <param name="Settings">Keys of the plan and their new values.</param>
/// <param name="At">The first step affected; null: the first one not yet granted.</param>
public sealed record AmendPlan(string CommandId, string Sender, IReadOnlyList<PlanSetting> Settings, Step? At) : IRunCommand;

/// <summary>Take samples from other prepared data, or from these as well. The sender has read them whole: every node that computes must be able to.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asks.</param>
/// <param name="Data">Where they are, and the hash of what is there.</param>
/// <param name="Replace">Whether they take the place of what samples come from so far.</param>
/// <param name="At">The first step affected; null: the first one not yet granted.</param>
public sealed record AttachData(string CommandId, string Sender, DataSource Data, bool Replace, Step? At) : IRunCommand;

/// <summary>Grant no further step.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asks.</param>
public sealed record PauseRun(string CommandId, string Sender) : IRunCommand;

/// <summary>Go on after a pause.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asks.</param>
public sealed record ResumeRun(string CommandId, string Sender) : IRunCommand;

/// <summary>Move a node's replicas to others and let it go.</summary>
/// <param name="CommandId">The client's id.</param>
/// <param name="Sender">Who asks.</param>
/// <param name="Node">The node's name.</param>
/// <param name="ForGood">Whether it is not to be started again; otherwise it was merely told to end, and its supervisor decides.</param>
public sealed record DrainNode(string CommandId, string Sender, string Node, bool ForGood) : IRunCommand;

/// <summary>Nothing of the run is left on a node that drains: it may go.</summary>
/// <param name="Term">The coordinator's term.</param>
/// <param name="ForGood">As the command said.</param>
public sealed record NodeDrained(Term Term, bool ForGood);

/// <summary>The answer to a command.</summary>
/// <param name="Accepted">Whether it is in the journal now.</param>
/// <param name="Message">What was done, or why not, for people.</param>
/// <param name="EffectiveStep">The first step it affects, if it affects steps.</param>
/// <param name="Retry">Not refused, but not possible now: the same command may be sent again.</param>
public sealed record CommandAnswer(bool Accepted, string Message, Step? EffectiveStep, bool Retry = false);

/// <summary>A worker node offers its devices and says what it holds. Sent every half second until welcomed by the current term.</summary>
/// <param name="Node">The node.</param>
/// <param name="Pid">Its process id.</param>
/// <param name="Run">The run it was started for.</param>
/// <param name="ProtocolVersion">Version of messages and frames.</param>
/// <param name="PlanHash">Hash of its plan over its data.</param>
/// <param name="NumericsClass">Hash of its golden probe.</param>
/// <param name="DataPlane">Endpoint of its tensor server, host:port.</param>
/// <param name="Agent">The node's agent.</param>
/// <param name="Devices">Its devices.</param>
/// <param name="Replicas">The shard replicas it holds, each with its actor.</param>
public sealed record WorkerHello(
    NodeId Node, int Pid, RunId Run, int ProtocolVersion, Digest256 PlanHash, Digest256 NumericsClass, string DataPlane,
    IActorRef Agent, IReadOnlyList<IActorRef> Devices, IReadOnlyList<HeldReplica> Replicas);

/// <summary>A live replica on a node.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">Its number.</param>
/// <param name="Applied">The version it has.</param>
/// <param name="Actor">The entity that owns it.</param>
public sealed record HeldReplica(ShardId Shard, ReplicaId Replica, Lineage Applied, IActorRef Actor);

/// <summary>A node is part of the run under this term, which is in the journal.</summary>
/// <param name="Term">The coordinator's term.</param>
/// <param name="Coordinator">Where to send results.</param>
public sealed record WorkerWelcome(Term Term, IActorRef Coordinator);

/// <summary>A node cannot be part of the run.</summary>
/// <param name="Reason">What was found and what the run expects.</param>
public sealed record WorkerRefused(string Reason);

/// <summary>Ask the run to seal a checkpoint of the last applied step and stop granting: the process wants to end.</summary>
/// <param name="Reason">Why, for people.</param>
public sealed record StopRun(string Reason);
