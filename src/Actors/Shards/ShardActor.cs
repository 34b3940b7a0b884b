using Akka.Actor;
using Akka.Event;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// One replica of a dense or an expert shard: a Cluster Sharding entity that brings a <see cref="ReplicaControl"/> its messages, its tensors and the
/// sums of its sibling. It decides nothing itself.
/// </summary>
public sealed class ShardActor : ReceiveActor, IWithTimers, IReplicaHost
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(200);

    private readonly NodeRuntime _node;
    private readonly ReplicaEntityId _id;
    private readonly ReplicaControl _control;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CancellationTokenSource _stopping = new();
    private ShardState? _state;

    /// <summary>Made by Cluster Sharding.</summary>
    /// <param name="node">The node's shared parts.</param>
    /// <param name="entityId">The replica's name.</param>
    public ShardActor(NodeRuntime node, string entityId)
    {
        _node = node;
        _id = ReplicaEntityId.Parse(entityId);
        _control = new ReplicaControl(this, _id, node.Layout.Shards[_id.Shard.Value]);
        Receive<Terminated>(m => _control.Receive(new SiblingEnded(m.ActorRef), Sender));
        Receive<ReplicaLoadFailed>(m =>
        {
            _log.Error(m.Error, "{0}~{1} could not be loaded", _id.Shard, _id.Replica);
            _control.Receive(m, Sender);
        });
        ReceiveAny(m =>
        {
            if (!_control.Receive(m, Sender)) Unhandled(m);
            if (_node.Chaos.Moments is { } flip && _state is { } state && _control.Replica is { } replica) flip.MaybeFlip(replica.Applied.Step, state);
        });
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    IActorRef IReplicaHost.Self => Self;

    /// <inheritdoc/>
    public NodeId Node => _node.Id;

    /// <inheritdoc/>
    public RunId Run => _node.Run;

    /// <inheritdoc/>
    public IActorRef CheckpointWriter => _node.CheckpointWriter;

    /// <inheritdoc/>
    public StepClock Clock => _node.Clock;

    /// <inheritdoc/>
    public void Tell(IActorRef to, object message) => to.Tell(message, Self);

    /// <inheritdoc/>
    public void Load(ReplicaSource source) =>
        (source.Sibling is { } sibling
            ? CopyAsync(sibling)
            : Task.Run(() => new ReplicaLoaded(_node.LoadShard(_id.Shard, source), source.Version, null)))
        .PipeTo(Self, failure: e => new ReplicaLoadFailed(e));

    /// <inheritdoc/>
    public ShardReplica Serve(ReplicaLoaded loaded)
    {
        var self = Self;
        _state = loaded.State;
        var replica = new ShardReplica(loaded.State, _id.Replica, loaded.Version, _node.VirtualRanks, _node.Pool, seal => self.Tell(seal));
        _node.Replicas.Add(replica, loaded.State.Info.Length);
        _node.HeldReplicas[(_id.Shard, _id.Replica)] = (() => replica.Applied, Self);
        return replica;
    }

    /// <inheritdoc/>
    public void PullGradient(ShardReplica replica, SiblingSource sibling, ApplyStep step) =>
        PullGradientAsync(replica, sibling, step).PipeTo(Self, success: () => new GradientPulled(step), failure: e => new GradientPullFailed(step, e));

    /// <inheritdoc/>
    public void BeginFollowing(SiblingSource sibling)
    {
        Context.Watch(sibling.Actor);
        Timers.StartPeriodicTimer(typeof(AskSibling), new AskSibling(), TimeSpan.Zero, AskAgain);
    }

    /// <inheritdoc/>
    public void EndFollowing(SiblingSource sibling)
    {
        Context.Unwatch(sibling.Actor);
        Timers.Cancel(typeof(AskSibling));
    }

    /// <inheritdoc/>
    public void After(TimeSpan time, object message) => Timers.StartSingleTimer(message.GetType(), message, time);

    /// <inheritdoc/>
    public void Warn(string text) => _log.Warning("{0}", text);

    /// <inheritdoc/>
    public void Stop() => Context.Stop(Self);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stopping.Cancel();
        if (_control.Replica is not { } replica) return;
        _node.Replicas.Remove(_id.Shard, _id.Replica);
        _node.HeldReplicas.TryRemove((_id.Shard, _id.Replica), out _);
        replica.Dispose();
    }

    private async Task<ReplicaLoaded> CopyAsync(SiblingSource sibling)
    {
        var (state, version) = await _node.CopyShardAsync(_id.Shard, sibling, _stopping.Token).ConfigureAwait(false);
        return new ReplicaLoaded(state, version, sibling);
    }

    /// <summary>Contributes the sibling's sum as one block of all ranks: it takes the place of what is there in parts.</summary>
    private async Task PullGradientAsync(ShardReplica replica, SiblingSource sibling, ApplyStep step)
    {
        var buffer = _node.Pool.Rent(_node.Layout.Shards[_id.Shard.Value].Length);
        try
        {
            var peer = await _node.Peers.GetAsync(sibling.DataPlane, _stopping.Token).ConfigureAwait(false);
            await peer.PullGradientAsync(step.Input, step.Attempt, _id.Shard, sibling.Replica, buffer, _stopping.Token).ConfigureAwait(false);
            replica.Contribute(step.Input, ReductionTree.Root(_node.VirtualRanks), buffer.Span, marker: false, step.Attempt);
        }
        finally
        {
            _node.Pool.Return(buffer);
        }
    }
}
