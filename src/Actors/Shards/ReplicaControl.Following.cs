using Akka.Actor;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Shards;

/// <summary>
/// Both sides of following. The new replica asks its sibling for the decision after its version, again and again; each that it gets it
/// applies, with the sum that it has made itself or else with its sibling's. The sibling answers at once, or when it has applied the step.
/// </summary>
public sealed partial class ReplicaControl
{
    /// <summary>How long an admission may still be on its way when the sibling has ended: a move ends the old replica as soon as the new one is in sync.</summary>
    private static readonly TimeSpan OrphanPatience = TimeSpan.FromSeconds(2);

    private sealed record Orphaned(Lineage Applied);

    private SiblingSource? _sibling;
    private ApplyStep? _pending;
    private (Lineage Applied, IActorRef Follower)? _waiting;

    private void BeginFollowing(SiblingSource sibling)
    {
        _sibling = sibling;
        _host.BeginFollowing(sibling);
    }

    private void EndFollowing()
    {
        if (_sibling is not { } sibling) return;
        _sibling = null;
        _host.EndFollowing(sibling);
    }

    private void OnSiblingEnded(SiblingEnded message)
    {
        if (_sibling is not { } sibling || !message.Actor.Equals(sibling.Actor)) return;
        _host.EndFollowing(sibling);
        _host.After(OrphanPatience, new Orphaned(_replica!.Applied));
    }

    private void OnOrphaned(Orphaned message)
    {
        if (_sibling is not { } sibling) return;
        // One that has gone on since gets all it needs from the devices and the coordinator.
        if (_replica!.Applied != message.Applied) EndFollowing();
        else Fail($"its sibling {_id.Shard}~{sibling.Replica} has ended");
    }

    private void Ask()
    {
        if (_sibling is { } sibling) _host.Tell(sibling.Actor, new FollowStep(_id.Shard, _id.Replica, _replica!.Applied));
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
            _host.PullGradient(replica, sibling, step);
        }
    }

    private void OnPullFailed(GradientPullFailed message)
    {
        // Otherwise the contributions were enough.
        if (_replica?.Applied != message.Step.Input || !LacksGradient(message.Step)) return;
        _host.Warn($"{_id.Shard}~{_id.Replica} cannot follow its sibling: {message.Error.Message}");
        Fail(message.Error.Message);
    }

    private void OnFollowStep(FollowStep message, IActorRef sender)
    {
        if (_replica is not { } replica)
        {
            Refuse(sender, "it was never started");
            return;
        }
        var applied = replica.Applied;
        if (replica.StepAfter(message.Applied) is { } step) _host.Tell(sender, new SiblingStep(_id.Shard, _id.Replica, step));
        else if (message.Applied == applied) _waiting = (applied, sender);
        else if (message.Applied.Step.Value <= applied.Step.Value) Refuse(sender, $"the step after {message.Applied} is not kept for {message.Shard}~{message.Replica}");
    }

    private void TellFollower(ApplyStep step)
    {
        if (_waiting is not { } waiting || waiting.Applied != step.Input) return;
        _waiting = null;
        _host.Tell(waiting.Follower, new SiblingStep(_id.Shard, _id.Replica, step));
    }
}
