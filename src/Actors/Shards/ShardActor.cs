using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// One replica of a dense or an expert shard: a Cluster Sharding entity around a <see cref="ShardReplica"/>. It obeys the highest
/// term that it has promised, applies decided steps, and copies its state for checkpoints. Until a coordinator starts it, it serves nothing. One that is made
/// from a living sibling follows that until it is admitted.
/// </summary>
public sealed partial class ShardActor : ReceiveActor, IWithTimers
{
    private readonly NodeRuntime _node;
    private readonly ReplicaEntityId _id;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private Term _promised = new(0);
    private IActorRef _coordinator = ActorRefs.Nobody;
    private ShardReplica? _replica;
    private ApplyStep? _decision;
    private ulong _checksum;
    private bool _loading;

    private sealed record Loaded(ShardState State, Lineage Version, SiblingSource? Sibling);
    private sealed record LoadFailed(Exception Error);

    /// <summary>Made by Cluster Sharding.</summary>
    /// <param name="node">The node's shared parts.</param>
    /// <param name="entityId">The replica's name.</param>
    public ShardActor(NodeRuntime node, string entityId)
    {
        _node = node;
        _id = ReplicaEntityId.Parse(entityId);
        Receive<StartReplica>(OnStart);
        Receive<Loaded>(OnLoaded);
        Receive<LoadFailed>(OnLoadFailed);
        Receive<PromiseTerm>(m => { if (Obey(m.Term)) Report(); });
        Receive<GradientSealed>(OnSealed);
        Receive<ReportSeal>(m => { if (Obey(m.Term) && _replica?.Seal is { } seal && seal.Input == m.Input) _coordinator.Tell(seal); });
        Receive<ApplyStep>(OnApply);
        Receive<SnapshotReplica>(OnSnapshot);
        Receive<StopReplica>(m => { if (Obey(m.Term)) Context.Stop(Self); });
        Receive<AdmitReplica>(m => { if (Obey(m.Term)) EndFollowing(); });
        Receive<FollowStep>(OnFollowStep);
        Receive<SiblingStep>(OnSiblingStep);
        Receive<AskSibling>(_ => Ask());
        Receive<GradientPulled>(m => Follow(m.Step));
        Receive<PullFailed>(OnPullFailed);
        Receive<ReplicaRefusal>(m => { if (m.Replica == _sibling?.Replica) Fail(m.Reason); });
        Receive<Terminated>(OnSiblingEnded);
        Receive<Orphaned>(OnOrphaned);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stopping.Cancel();
        if (_replica is null) return;
        _node.Replicas.Remove(_id.Shard, _id.Replica);
        _node.HeldReplicas.TryRemove((_id.Shard, _id.Replica), out _);
        _replica.Dispose();
    }

    private void OnStart(StartReplica message)
    {
        if (_id.Address != _node.Id.Address || _id.Uid != _node.Id.Uid)
        {
            message.ReplyTo.Tell(new ReplicaFailed(message.Shard, message.Replica, $"placed on {_id.Address}#{_id.Uid}, woken on {_node.Id}"));
            Context.Stop(Self);
            return;
        }
        if (message.Run != _node.Run)
        {
            message.ReplyTo.Tell(new ReplicaFailed(message.Shard, message.Replica, $"run {message.Run}, but this node belongs to run {_node.Run}"));
            return;
        }
        if (!Obey(message.Term, message.ReplyTo)) return;
        if (_replica is not null)
        {
            _coordinator.Tell(new ReplicaReady(_id.Shard, _id.Replica, _replica.Applied, Self));
            return;
        }
        if (_loading) return;
        _loading = true;
        (message.Source.Sibling is { } sibling
            ? CopyAsync(sibling)
            : Task.Run(() => new Loaded(_node.LoadShard(message.Shard, message.Source), message.Source.Version, null)))
            .PipeTo(Self, failure: e => new LoadFailed(e));
    }

    private void OnLoaded(Loaded message)
    {
        var self = Self;
        _loading = false;
        var replica = new ShardReplica(message.State, _id.Replica, message.Version, _node.VirtualRanks, _node.Pool, seal => self.Tell(seal));
        _replica = replica;
        _node.Replicas.Add(replica, message.State.Info.Length);
        _node.HeldReplicas[(_id.Shard, _id.Replica)] = (() => replica.Applied, Self);
        _coordinator.Tell(new ReplicaReady(_id.Shard, _id.Replica, message.Version, Self));
        if (message.Sibling is { } sibling) BeginFollowing(sibling);
    }

    private void OnLoadFailed(LoadFailed message)
    {
        _log.Error(message.Error, "{0}~{1} could not be loaded", _id.Shard, _id.Replica);
        Fail(message.Error.Message);
    }

    private void OnSealed(GradientSealed message)
    {
        if (_replica?.Seal != message) return;
        _coordinator.Tell(message);
        if (_pending is { } step) Follow(step);
    }

    private void OnApply(ApplyStep message)
    {
        if (!Obey(message.Term)) return;
        if (_replica is null) return;
        if (_replica.Applied == message.Output)
        {
            _coordinator.Tell(new StepApplied(_id.Shard, _id.Replica, message.Output, _checksum));
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
            Refuse(Sender, $"step {message.Output.Step} follows {message.Input}, the replica is at {_replica.Applied}");
            return;
        }
        if (LacksGradient(message))
        {
            Refuse(Sender, $"step {message.Output.Step} is decided, but this replica has not sealed its gradient");
            return;
        }
        Advance(_replica, message);
    }

    private void Advance(ShardReplica replica, ApplyStep step)
    {
        _checksum = replica.Apply(step);
        _decision = step;
        _coordinator.Tell(new StepApplied(_id.Shard, _id.Replica, step.Output, _checksum));
        TellFollower(step);
    }

    private bool LacksGradient(ApplyStep step) =>
        _replica!.Seal is null && !Model.ParameterLayout.IsFrozen(_node.Layout.Shards[_id.Shard.Value], step.FrozenPrefix);

    private void OnSnapshot(SnapshotReplica message)
    {
        if (!Obey(message.Term) || _replica is null) return;
        if (_replica.Applied != message.Version)
        {
            Sender.Tell(new BlobFailed(message.Version, _id.Shard, $"{_id.Shard}~{_id.Replica} is at {_replica.Applied}"));
            return;
        }
        long start = Stopwatch.GetTimestamp();
        var (parameters, moment1, moment2) = _replica.Snapshot(message.Version);
        _node.Clock.AddCheckpointCopy(start);
        _node.CheckpointWriter.Tell(new WriteBlob(_id.Shard, message.Version, parameters, moment1, moment2, Sender));
    }

    private void Report() =>
        _coordinator.Tell(new ReplicaReport(_id.Shard, _id.Replica, _promised, _replica?.Applied ?? default, _decision) { Seal = _replica?.Seal });

    /// <summary>Promises a term at least as high as any seen; refuses a lower one by name.</summary>
    private bool Obey(Term term, IActorRef? coordinator = null)
    {
        if (term.Value < _promised.Value)
        {
            Refuse(Sender, $"term {term} is over: this replica obeys term {_promised}");
            return false;
        }
        _promised = term;
        _coordinator = coordinator ?? Sender;
        return true;
    }

    private void Refuse(IActorRef to, string reason)
    {
        _log.Warning("{0}~{1} refuses: {2}", _id.Shard, _id.Replica, reason);
        to.Tell(new ReplicaRefusal(_id.Shard, _id.Replica, _promised, _replica?.Applied ?? default, reason));
    }

    private void Fail(string reason)
    {
        _coordinator.Tell(new ReplicaFailed(_id.Shard, _id.Replica, reason));
        Context.Stop(Self);
    }
}
