using Akka.Actor;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Faults;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>The world of one <see cref="ReplicaControl"/>: what the actor <see cref="ShardActor"/> is to it in the product. State, sums and rounds are the real <see cref="ShardReplica"/>.</summary>
public sealed class SimReplica : IReplicaHost
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(200);

    private readonly SimProcess _process;
    private readonly List<(SimReplica Follower, SiblingSource Source)> _watchers = [];
    private SiblingSource? _followed;
    private bool _hasEnded;

    /// <summary>An entity that nobody has started yet.</summary>
    public SimReplica(SimProcess process, ShardId shard, ReplicaId replica, ReplicaEntityId id)
    {
        (_process, EntityId) = (process, id);
        Ref = new SimRef(process, $"replica-{shard}-{replica}-{process.Sim.NextNumber()}", OnMessage);
        Control = new ReplicaControl(this, id, process.Sim.Scenario.Layout.Shards[shard.Value]);
    }

    /// <summary>Its name.</summary>
    public ReplicaEntityId EntityId { get; }

    /// <summary>Its address.</summary>
    public SimRef Ref { get; }

    /// <summary>The class under test.</summary>
    public ReplicaControl Control { get; }

    /// <summary>Its process.</summary>
    public SimProcess Process => _process;

    /// <summary>Its tensors; null before it is loaded.</summary>
    public ShardState? State { get; private set; }

    /// <summary>Whether it follows a sibling.</summary>
    public bool IsFollowing => _followed is not null;

    /// <inheritdoc/>
    public IActorRef Self => Ref;

    /// <inheritdoc/>
    public NodeId Node => _process.Id;

    /// <inheritdoc/>
    public RunId Run => Sim.Facts.Run;

    /// <inheritdoc/>
    public IActorRef CheckpointWriter => _process.Writer.Ref;

    /// <inheritdoc/>
    public StepClock Clock { get; } = new();

    private Simulation Sim => _process.Sim;

    /// <inheritdoc/>
    public void Tell(IActorRef to, object message) => Sim.Network.Send(_process, to, message, Ref);

    /// <inheritdoc/>
    public void Load(ReplicaSource source)
    {
        if (source.Sibling is { } sibling)
        {
            var header = Sim.Data.Header(FrameKind.PullState, default, EntityId.Shard, sibling.Replica, default);
            Sim.Data.Request(_process, sibling.DataPlane, header, [], isLong: true, (error, values, version) =>
            {
                if (error is not null)
                {
                    Here(new ReplicaLoadFailed(error));
                    return;
                }
                var state = NewState();
                Arithmetic.Load(state, values);
                Here(new ReplicaLoaded(state, version!.Value, sibling));
            });
            return;
        }
        _process.Post(Sim.Random.Milliseconds(1, 100), () =>
        {
            var state = NewState();
            try
            {
                Sim.Oracle.OnLoad(EntityId, source);
                if (source.Blob is { } hash) Sim.Storage.Read(hash, state);
                else state.Initialize(Sim.Scenario.Plan.Seed);
            }
            catch (CorruptionException corruption)
            {
                state.Dispose();
                Here(new ReplicaLoadFailed(corruption));
                return;
            }
            Here(new ReplicaLoaded(state, source.Version, null));
        });
    }

    /// <inheritdoc/>
    public ShardReplica Serve(ReplicaLoaded loaded)
    {
        State = loaded.State;
        var replica = new ShardReplica(
            loaded.State, EntityId.Replica, loaded.Version, Sim.Scenario.VirtualRanks, Sim.Pool,
            seal => _process.Post(SimProcess.LocalDelay, () => OnMessage(seal, Ref)), Sim.Time);
        _process.Replicas.Add(replica, loaded.State.Info.Length);
        return replica;
    }

    /// <inheritdoc/>
    public void PullGradient(ShardReplica replica, SiblingSource sibling, ApplyStep step)
    {
        var header = Sim.Data.Header(FrameKind.PullGradient, step.Input, EntityId.Shard, sibling.Replica, default) with { Attempt = step.Attempt };
        Sim.Data.Request(_process, sibling.DataPlane, header, [], isLong: true, (error, values, _) =>
        {
            if (_hasEnded) return;
            try
            {
                if (error is not null) throw error;
                replica.Contribute(step.Input, ReductionTree.Root(Sim.Scenario.VirtualRanks), values, marker: false, step.Attempt);
                Here(new GradientPulled(step));
            }
            catch (ElasticTrainException failure)
            {
                Here(new GradientPullFailed(step, failure));
            }
        });
    }

    /// <inheritdoc/>
    public void BeginFollowing(SiblingSource sibling)
    {
        _followed = sibling;
        var ended = new SiblingEnded(sibling.Actor);
        if (Sim.FindReplica(sibling.Actor) is { } entity) entity._watchers.Add((this, sibling));
        else Here(ended);
        Here(new AskSibling());
        _process.Every(AskAgain, () =>
        {
            if (_hasEnded || _followed != sibling) return false;
            OnMessage(new AskSibling(), Ref);
            return true;
        });
    }

    /// <inheritdoc/>
    public void EndFollowing(SiblingSource sibling) => _followed = null;

    /// <inheritdoc/>
    public void After(TimeSpan time, object message) => _process.Post(time, () => OnMessage(message, Ref));

    /// <inheritdoc/>
    public void Warn(string text) => Sim.Trace?.Invoke($"{Ref} warns: {text}");

    /// <inheritdoc/>
    public void Stop()
    {
        if (_hasEnded) return;
        Sim.Trace?.Invoke($"{Ref} ends");
        _process.Forget(this);
        Free();
        foreach (var (follower, source) in _watchers)
            follower._process.Post(Sim.Random.Milliseconds(0, 20), () => follower.OnMessage(new SiblingEnded(source.Actor), follower.Ref));
    }

    /// <summary>The cluster's news: who watches a part of a node that is gone hears that it has ended.</summary>
    public void OnMembership(NodeId node, MembershipChange? change)
    {
        if (change == MembershipChange.Gone && _followed is { Actor: SimRef actor } && actor.Process.Id == node) Here(new SiblingEnded(actor));
    }

    /// <summary>Gives its memory back.</summary>
    public void Free()
    {
        _hasEnded = true;
        if (Control.Replica is not { } replica) return;
        _process.Replicas.Remove(EntityId.Shard, EntityId.Replica);
        replica.Dispose();
    }

    private ShardState NewState() => new(Sim.Scenario.Layout, EntityId.Shard, Sim.Scenario.Optimizer);

    private void Here(object message) => _process.Post(SimProcess.LocalDelay, () => OnMessage(message, Ref));

    private void OnMessage(object message, IActorRef sender)
    {
        if (_hasEnded)
        {
            if (message is ReplicaLoaded late) late.State.Dispose();
            return;
        }
        var (promised, applied) = (Control.Promised, Control.Replica?.Applied);
        Control.Receive(message, sender);
        if (Control.Promised.Value < promised.Value) throw new SimulationFailure($"{Ref} promised term {promised}, then obeyed term {Control.Promised}");
        if (Sim.Sabotage == Sabotage.WrongState && Control.Replica?.Applied.Step.Value == 2) State!.Moment1.Span[0] = 1;
        if (!_hasEnded && Control.Replica is { } replica && replica.Applied != applied) Sim.Oracle.OnState(this, replica.Applied);
    }
}
