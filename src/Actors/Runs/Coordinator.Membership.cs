using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>Membership: who is there, who is silent, who is gone. Suspicion is cheap and eager; only the cluster gives a node up for good.</summary>
public sealed partial class Coordinator
{
    private const int HellosBeforeLoss = 8;

    /// <summary>How long a link that was lost is left alone before it is asked for again.</summary>
    private static readonly TimeSpan LinkRetry = TimeSpan.FromSeconds(1);

    /// <summary>How long what a node had sent before its end may still arrive.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    /// <summary>Nodes whose processes have ended, while the cluster still counts them, and since when that is known.</summary>
    private readonly Dictionary<NodeId, DateTime> _gone = [];

    private void OnHello(WorkerHello hello)
    {
        string? refusal =
            hello.Run != _run.Run ? $"run id: found {hello.Run}, expected {_run.Run}"
            : hello.ProtocolVersion != NodeRuntime.ProtocolVersion ? $"protocol version: found {hello.ProtocolVersion}, expected {NodeRuntime.ProtocolVersion}"
            : hello.PlanHash != _run.PlanHash ? $"plan hash: found {hello.PlanHash}, expected {_run.PlanHash}: the node's plan or data differ from the run's"
            : hello.NumericsClass != _run.NumericsClass ? $"numerics class: found {hello.NumericsClass}, expected {_run.NumericsClass}: the node's processor or libraries compute other bits"
            : null;
        if (refusal is not null)
        {
            _host.Notes.Add($"{hello.Node} refused: {refusal}");
            _host.Tell(hello.Agent, new WorkerRefused($"{hello.Node.Name} was refused by run {_run.Run}: {refusal}"));
            return;
        }
        // A node's last words may arrive after the news of its end; only members count.
        if (!_host.IsMember(hello.Node) || (_gone.TryGetValue(hello.Node, out var since) && _host.UtcNow - since < LastWords)) return;
        bool wasGone = _gone.Remove(hello.Node);
        bool isNew = _roster.Update(hello);
        var worker = _roster.Find(hello.Node)!;
        // It speaks but refuses connections: no work before there is one.
        if (wasGone && isNew) worker.LinkLost = true;
        worker.HeardAt = _host.UtcNow;
        worker.Draining = _state.Draining.ContainsKey(hello.Node);
        if (isNew)
        {
            if (_phase == Phase.Stepping) _host.Notes.Add($"{hello.Node.Name} joined with {hello.Devices.Count} device(s)");
            if (_phase != Phase.Starting) _host.Tell(hello.Agent, new WorkerWelcome(_term, _host.Self));
        }
        if (isNew || (worker.LinkLost && _host.UtcNow - worker.LinkAskedAt > LinkRetry)) AskForLink(worker);
        bool returned = worker.Silent;
        worker.Silent = false;
        StopStrangers(hello);
        MissReplicas(worker);
        if (_end is not null) _host.Tell(hello.Agent, _end);
        else if (_phase == Phase.Gathering) TryProceed();
        else if ((isNew || returned) && _phase == Phase.Stepping) ResumeWork();
    }

    private void AskForLink(Worker worker)
    {
        worker.LinkAskedAt = _host.UtcNow;
        _host.WatchLink(worker.Hello.Node, worker.Hello.DataPlane);
    }

    private void OnLinkUp(LinkUp message)
    {
        if (_roster.Find(message.Node) is not { } worker || !worker.LinkLost) return;
        worker.LinkLost = false;
        ResumeWork();
    }

    private void OnLinkLost(LinkLost message)
    {
        if (_roster.Find(message.Node) is not { } worker) return;
        bool isNews = !worker.LinkLost;
        worker.LinkLost = true;
        if (isNews)
        {
            Suspect(worker, $"the connection to {message.Node.Name} is gone");
            _host.Probe(message.Node);
        }
        if (_phase == Phase.Gathering) TryProceed();
    }

    /// <summary>To be wrong costs work that is done again: whoever speaks later is heard again, and the cluster still decides who is a member.</summary>
    private void OnNodeGone(NodeGone message)
    {
        _gone[message.Node] = _host.UtcNow;
        if (_roster.Find(message.Node) is { } worker) Lose(worker);
        else if (_phase == Phase.Gathering) TryProceed();
    }

    private void OnMembership(MembershipChanged message)
    {
        var worker = _roster.Find(message.Address, message.Uid);
        switch (message.Change)
        {
            case MembershipChange.Gone when worker is not null:
                Lose(worker);
                break;
            case MembershipChange.Gone when _phase == Phase.Gathering:
                TryProceed();
                break;
            case MembershipChange.Unreachable when worker is not null:
                worker.Unreachable = true;
                if (_phase == Phase.Stepping)
                {
                    _host.Notes.Add($"{worker.Hello.Node.Name} does not answer; its ranks go to others");
                    Suspect(worker, $"{worker.Hello.Node.Name} is unreachable");
                }
                break;
            case MembershipChange.Reachable when worker is not null:
                worker.Unreachable = false;
                ResumeWork();
                break;
            default:
                break;
        }
    }

    /// <summary>Its ranks go to others at once, and so do its shards, as far as they have siblings. If it was only slow, nothing is lost but time.</summary>
    private void Suspect(Worker worker, string reason)
    {
        if (_phase is Phase.Finished or Phase.Starting) return;
        Withdraw(worker);
        if (_phase != Phase.Stepping) return;
        RemoveWhereSiblingsRemain([.. _replicas.On(worker.Hello.Node)], reason);
        GrantIdle();
    }

    /// <summary>The cluster's view, asked again: an event that was missed must not leave a dead worker in the roster. And who has been silent for too long.</summary>
    private void LookAfterWorkers()
    {
        foreach (var worker in _roster.Workers.Where(w => !_host.IsMember(w.Hello.Node)).ToList()) Lose(worker);
        if (_phase != Phase.Stepping) return;
        foreach (var worker in _roster.Workers.Where(w => !w.Silent && _host.UtcNow - w.HeardAt > _run.Plan.Elastic.SuspectAfter).ToList())
        {
            worker.Silent = true;
            // Its replicas stay in sync as long as nobody waits for them: a step that does puts them out.
            Withdraw(worker);
            GrantIdle();
        }
    }

    private void Lose(Worker worker)
    {
        var node = worker.Hello.Node;
        _roster.Remove(node);
        if (_phase == Phase.Finished) return;
        _host.Notes.Add($"{node.Name} is gone");
        if (_phase is Phase.Gathering)
        {
            TryProceed();
            return;
        }
        Withdraw(worker);
        LoseReplicas(p => p.Node == node, $"{node.Name} is gone with its shards");
        if (_phase == Phase.Stepping) GrantIdle();
    }

    /// <summary>Ends replicas that are in no in-sync set any more and do not follow one, wherever they turn up: much may have changed while their node was silent.</summary>
    private void StopStrangers(WorkerHello hello)
    {
        if (_phase is not (Phase.Placing or Phase.Stepping)) return;
        foreach (var held in hello.Replicas)
            if (!IsWanted(held.Replica)) _host.Tell(held.Actor, new StopReplica(_term));
    }

    private bool IsWanted(ReplicaId replica) =>
        _phase == Phase.Placing ? _placing.Any(p => p.Replica == replica) : _replicas.Find(replica) is not null || _recruits.ContainsKey(replica);

    /// <summary>
    /// A replica may end while its node lives on: notice what its node no longer names, or names with another entity, which a repeated start has brought
    /// to life under the same number and which has nothing of the first one's.
    /// </summary>
    private void MissReplicas(Worker worker)
    {
        if (_phase != Phase.Stepping) return;
        var held = worker.Hello.Replicas.ToLookup(h => h.Replica);
        var missing = _replicas.On(worker.Hello.Node).Where(r => held[r.Id].FirstOrDefault()?.Actor.Equals(r.Actor) != true).Select(r => r.Placement).ToList();
        // Some hellos may have been under way since before the replica was there.
        worker.HellosWithoutReplica = missing.Count == 0 ? 0 : worker.HellosWithoutReplica + 1;
        if (worker.HellosWithoutReplica < HellosBeforeLoss) return;
        worker.HellosWithoutReplica = 0;
        LoseReplicas(missing.Contains, $"{worker.Hello.Node.Name} no longer holds {missing[0].Shard}~{missing[0].Replica}");
    }

    /// <summary>Who is there is not in the journal, so this command is decided here.</summary>
    private CommandOutcome Drain(DrainNode command)
    {
        var node = _roster.Workers.Select(w => w.Hello.Node).Where(n => n.Name == command.Node).OrderByDescending(n => _host.IsMember(n)).FirstOrDefault();
        if (node == default)
        {
            string known = string.Join(", ", _roster.Workers.Select(w => w.Hello.Node.Name).Order(StringComparer.Ordinal));
            return new CommandOutcome(null, new CommandAnswer(false, $"drain: found node '{command.Node}', expected one of {known}", null));
        }
        return new CommandOutcome(
            new NodeDraining(command.CommandId, command.Sender, node, command.ForGood),
            new CommandAnswer(true, $"{node.Name} drains: its replicas move to other nodes, then it leaves", null));
    }

    /// <summary>Lets nodes go that have nothing of the run left; the last one when its state is sealed.</summary>
    private void ReleaseDrained()
    {
        foreach (var worker in _roster.Workers.Where(w => w.Draining && w.Devices.All(d => d.Grant is null)).ToList())
        {
            var node = worker.Hello.Node;
            bool holds = _replicas.On(node).Any();
            if (holds && _roster.Workers.All(w => w.Draining)) holds = !IsStateSafe();
            if (!holds) Release(worker);
        }
    }

    private void Release(Worker worker)
    {
        if (_state.Draining.TryGetValue(worker.Hello.Node, out bool forGood)) _host.Tell(worker.Hello.Agent, new NodeDrained(_term, forGood));
    }

    /// <summary>Nobody is left who works: the last version is sealed, and the next start goes on from there.</summary>
    private bool IsStateSafe()
    {
        _progress = null;
        if (_pendingCommits > 0) return false;
        if (IsSealed(_version)) return true;
        _detail = $"sealing step {_version.Step} before the last node leaves";
        if (_round is null) StartRound();
        return false;
    }

    private void ResumeWork()
    {
        if (_phase != Phase.Stepping) return;
        OpenStep();
        GrantIdle();
    }
}
