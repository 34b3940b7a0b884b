using System.Diagnostics;
using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// The control of one replica: it obeys the highest term that it has promised, applies decided steps, copies its state for checkpoints, and follows
/// the sibling that it was made from until it is admitted. A state machine without actors, clocks or sockets: what comes in are messages, what goes
/// out goes through <see cref="IReplicaHost"/>. The actor <see cref="ShardActor"/> runs it, and so does the simulation.
/// </summary>
public sealed partial class ReplicaControl
{
    private readonly IReplicaHost _host;
    private readonly ReplicaEntityId _id;
    private readonly ShardInfo _shard;
    private Term _promised = new(0);
    private IActorRef _coordinator = ActorRefs.Nobody;
    private ShardReplica? _replica;
    private ApplyStep? _decision;
    private ulong _checksum;
    private (SnapshotReplica Message, IActorRef Sender)? _snapshot;
    private bool _loading;

    /// <summary>Before it is started: it serves nothing.</summary>
    /// <param name="host">The world.</param>
    /// <param name="id">The replica's name.</param>
    /// <param name="shard">Its shard.</param>
    public ReplicaControl(IReplicaHost host, ReplicaEntityId id, ShardInfo shard) => (_host, _id, _shard) = (host, id, shard);

    /// <summary>The replica; null until it is loaded.</summary>
    public ShardReplica? Replica => _replica;

    /// <summary>The highest term that it has promised to obey.</summary>
    public Term Promised => _promised;

    /// <summary>Handles a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="sender">Who sent it.</param>
    /// <returns>False if it is none of a replica's.</returns>
    public bool Receive(object message, IActorRef sender)
    {
        switch (message)
        {
            case StartReplica m: OnStart(m, sender); break;
            case ReplicaLoaded m: OnLoaded(m); break;
            case ReplicaLoadFailed m: Fail(m.Error.Message); break;
            case PromiseTerm m:
                if (Obey(m.Term, sender)) Report();
                break;
            case GradientSealed m: OnSealed(m); break;
            case ReportSeal m:
                if (Obey(m.Term, sender) && _replica?.Seal is { } seal && seal.Input == m.Input) _host.Tell(_coordinator, seal);
                break;
            case ApplyStep m: OnApply(m, sender); break;
            case SnapshotReplica m: OnSnapshot(m, sender); break;
            case StopReplica m:
                if (Obey(m.Term, sender)) _host.Stop();
                break;
            case AdmitReplica m:
                if (Obey(m.Term, sender)) EndFollowing();
                break;
            case FollowStep m: OnFollowStep(m, sender); break;
            case SiblingStep m:
                if (_sibling?.Replica == m.Replica) Follow(m.Step);
                break;
            case AskSibling: Ask(); break;
            case GradientPulled m: Follow(m.Step); break;
            case GradientPullFailed m: OnPullFailed(m); break;
            case ReplicaRefusal m:
                if (m.Replica == _sibling?.Replica) Fail(m.Reason);
                break;
            case SiblingEnded m: OnSiblingEnded(m); break;
            case Orphaned m: OnOrphaned(m); break;
            default: return false;
        }
        return true;
    }

    private void OnStart(StartReplica message, IActorRef sender)
    {
        if (_id.Address != _host.Node.Address || _id.Uid != _host.Node.Uid)
        {
            _host.Tell(message.ReplyTo, new ReplicaFailed(message.Shard, message.Replica, $"placed on {_id.Address}#{_id.Uid}, woken on {_host.Node}"));
            _host.Stop();
            return;
        }
        if (message.Run != _host.Run)
        {
            _host.Tell(message.ReplyTo, new ReplicaFailed(message.Shard, message.Replica, $"run {message.Run}, but this node belongs to run {_host.Run}"));
            return;
        }
        if (!Obey(message.Term, sender, message.ReplyTo)) return;
        if (_replica is not null)
        {
            _host.Tell(_coordinator, new ReplicaReady(_id.Shard, _id.Replica, _replica.Applied, _host.Self));
            return;
        }
        if (_loading) return;
        _loading = true;
        _host.Load(message.Source);
    }

    private void OnLoaded(ReplicaLoaded message)
    {
        _loading = false;
        _replica = _host.Serve(message);
        _host.Tell(_coordinator, new ReplicaReady(_id.Shard, _id.Replica, message.Version, _host.Self));
        if (message.Sibling is { } sibling) BeginFollowing(sibling);
    }

    private void OnSealed(GradientSealed message)
    {
        if (_replica?.Seal != message) return;
        _host.Tell(_coordinator, message);
        if (_pending is { } step) Follow(step);
    }

    private void OnApply(ApplyStep message, IActorRef sender)
    {
        if (!Obey(message.Term, sender)) return;
        if (_replica is null) return;
        if (_replica.Applied == message.Output)
        {
            _host.Tell(_coordinator, new StepApplied(_id.Shard, _id.Replica, message.Output, _checksum));
            return;
        }
        if (_sibling is not null)
        {
            // What a follower lacks it gets from its sibling.
            Follow(message);
            return;
        }
        if (_replica.Applied != message.Input)
        {
            Refuse(sender, $"step {message.Output.Step} follows {message.Input}, the replica is at {_replica.Applied}");
            return;
        }
        if (LacksGradient(message))
        {
            Refuse(sender, $"step {message.Output.Step} is decided, but this replica has not sealed its gradient");
            return;
        }
        Advance(_replica, message);
    }

    private void Advance(ShardReplica replica, ApplyStep step)
    {
        _checksum = replica.Apply(step);
        _decision = step;
        _host.Tell(_coordinator, new StepApplied(_id.Shard, _id.Replica, step.Output, _checksum));
        TellFollower(step);
        if (_snapshot is { } snapshot && snapshot.Message.Version == step.Output) Copy(replica, snapshot.Message.Version, snapshot.Sender);
    }

    private bool LacksGradient(ApplyStep step) => _replica!.Seal?.Attempt != step.Attempt && !ParameterLayout.IsFrozen(_shard, step.FrozenPrefix);

    private void OnSnapshot(SnapshotReplica message, IActorRef sender)
    {
        if (!Obey(message.Term, sender) || _replica is null) return;
        if (_replica.Applied.Step < message.Version.Step)
        {
            // The decision that leads there was lost and will be said again: no reason to give a checkpoint up, least of all the last one.
            _snapshot = (message, sender);
            return;
        }
        if (_replica.Applied != message.Version)
        {
            _host.Tell(sender, new BlobFailed(message.Version, _id.Shard, $"{_id.Shard}~{_id.Replica} is at {_replica.Applied}"));
            return;
        }
        Copy(_replica, message.Version, sender);
    }

    private void Copy(ShardReplica replica, Lineage version, IActorRef coordinator)
    {
        _snapshot = null;
        long start = Stopwatch.GetTimestamp();
        var (parameters, moment1, moment2) = replica.Snapshot(version);
        _host.Clock.AddCheckpointCopy(start);
        _host.Tell(_host.CheckpointWriter, new WriteBlob(_id.Shard, version, parameters, moment1, moment2, coordinator));
    }

    private void Report() =>
        _host.Tell(_coordinator, new ReplicaReport(_id.Shard, _id.Replica, _promised, _replica?.Applied ?? default, _decision) { Seal = _replica?.Seal });

    /// <summary>Promises a term at least as high as any seen; refuses a lower one by name.</summary>
    private bool Obey(Term term, IActorRef sender, IActorRef? coordinator = null)
    {
        if (term.Value < _promised.Value)
        {
            Refuse(sender, $"term {term} is over: this replica obeys term {_promised}");
            return false;
        }
        _promised = term;
        _coordinator = coordinator ?? sender;
        return true;
    }

    private void Refuse(IActorRef to, string reason)
    {
        _host.Warn($"{_id.Shard}~{_id.Replica} refuses: {reason}");
        _host.Tell(to, new ReplicaRefusal(_id.Shard, _id.Replica, _promised, _replica?.Applied ?? default, reason));
    }

    private void Fail(string reason)
    {
        _host.Tell(_coordinator, new ReplicaFailed(_id.Shard, _id.Replica, reason));
        _host.Stop();
    }
}
