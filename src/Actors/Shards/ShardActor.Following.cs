using Akka.Actor;
using Akka.Event;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// Both sides of following. The new replica copies its sibling's state and asks for the decision after its version, again and again; each that it gets it
/// applies, with the sum that it has made itself or else with its sibling's. The sibling answers at once, or when it has applied the step.
/// </summary>
public sealed partial class ShardActor
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(200);

    /// <summary>How long an admission may still be on its way when the sibling has ended: a move ends the old replica as soon as the new one is in sync.</summary>
    private static readonly TimeSpan OrphanPatience = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _stopping = new();
    private SiblingSource? _sibling;
    private ApplyStep? _pending;
    private (Lineage Applied, IActorRef Follower)? _waiting;

    private sealed record AskSibling;
    private sealed record Orphaned(Lineage Applied);
    private sealed record GradientPulled(ApplyStep Step);
    private sealed record PullFailed(ApplyStep Step, Exception Error);

    private async Task<Loaded> CopyAsync(SiblingSource sibling)
    {
        var (state, version) = await _node.CopyShardAsync(_id.Shard, sibling, _stopping.Token).ConfigureAwait(false);
        return new Loaded(state, version, sibling);
    }

    private void BeginFollowing(SiblingSource sibling)
    {
        _sibling = sibling;
        Context.Watch(sibling.Actor);
        Timers.StartPeriodicTimer(typeof(AskSibling), new AskSibling(), TimeSpan.Zero, AskAgain);
    }

    private void EndFollowing()
    {
        if (_sibling is not { } sibling) return;
        _sibling = null;
        Context.Unwatch(sibling.Actor);
        Timers.Cancel(typeof(AskSibling));
        Timers.Cancel(typeof(Orphaned));
    }

    private void OnSiblingEnded(Terminated message)
    {
        if (!message.ActorRef.Equals(_sibling?.Actor)) return;
        Timers.Cancel(typeof(AskSibling));
        Timers.StartSingleTimer(typeof(Orphaned), new Orphaned(_replica!.Applied), OrphanPatience);
    }

    private void OnOrphaned(Orphaned message)
    {
        if (_sibling is not { } sibling) return;
        // One that has gone on since gets all it needs from the devices and the coordinator.
        if (_replica!.Applied != message.Applied) EndFollowing();
        else Fail($"its sibling {_id.Shard}~{sibling.Replica} has ended");
    }

    private void Ask() => _sibling?.Actor.Tell(new FollowStep(_id.Shard, _id.Replica, _replica!.Applied));

    private void OnSiblingStep(SiblingStep message)
    {
        if (_sibling?.Replica == message.Replica) Follow(message.Step);
    }

    /// <summary>Applies a decision if it is the next one, now or when its gradient is here. It may come from the sibling and from the coordinator, any number of times.</summary>
    private void Follow(ApplyStep step)
    {
        if (_replica is not { } replica || replica.Applied != step.Input) return;
        if (!LacksGradient(step))
        {
            _pending = null;
            Advance(replica, step);
            Ask();
        }
        else if (_sibling is { } sibling && _pending?.Input != step.Input)
        {
            _pending = step;
            PullGradientAsync(replica, sibling, step.Input).PipeTo(Self, success: () => new GradientPulled(step), failure: e => new PullFailed(step, e));
        }
    }

    /// <summary>Contributes the sibling's sum as one block of all ranks: it takes the place of what is there in parts.</summary>
    private async Task PullGradientAsync(ShardReplica replica, SiblingSource sibling, Lineage input)
    {
        var buffer = _node.Pool.Rent(_node.Layout.Shards[_id.Shard.Value].Length);
        try
        {
            var peer = await _node.Peers.GetAsync(sibling.DataPlane, _stopping.Token).ConfigureAwait(false);
            await peer.PullGradientAsync(input, _id.Shard, sibling.Replica, buffer, _stopping.Token).ConfigureAwait(false);
            replica.Contribute(input, ReductionTree.Root(_node.VirtualRanks), buffer.Span, marker: false);
        }
        finally
        {
            _node.Pool.Return(buffer);
        }
    }

    private void OnPullFailed(PullFailed message)
    {
        // Otherwise the contributions were enough.
        if (_replica?.Applied != message.Step.Input || !LacksGradient(message.Step)) return;
        _log.Error(message.Error, "{0}~{1} cannot follow its sibling", _id.Shard, _id.Replica);
        Fail(message.Error.Message);
    }

    private void OnFollowStep(FollowStep message)
    {
        if (_replica is not { } replica)
        {
            Refuse(Sender, "it was never started");
            return;
        }
        var applied = replica.Applied;
        if (replica.StepAfter(message.Applied) is { } step) Sender.Tell(new SiblingStep(_id.Shard, _id.Replica, step));
        else if (message.Applied == applied) _waiting = (applied, Sender);
        else if (message.Applied.Step.Value <= applied.Step.Value) Refuse(Sender, $"the step after {message.Applied} is not kept for {message.Shard}~{message.Replica}");
    }

    private void TellFollower(ApplyStep step)
    {
        if (_waiting is not { } waiting || waiting.Applied != step.Input) return;
        _waiting = null;
        waiting.Follower.Tell(new SiblingStep(_id.Shard, _id.Replica, step));
    }
}
