using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Scale;

/// <summary>
/// A replica by its messages alone: it starts, sums, applies, follows its sibling. No message is lost in this model, so that most of what the product's
/// ReplicaControl is for does not occur.
/// </summary>
internal sealed class Replica
{
    private readonly Cluster _cluster;
    private readonly Node _node;
    private Replica? _sibling;
    private TimeSpan _loadedAt;
    private ApplyStep? _decision;
    private bool _isLoading;

    public Replica(Cluster cluster, Node node, ReplicaPlacement placement)
    {
        (_cluster, _node, Shard, Id) = (cluster, node, placement.Shard, placement.Replica);
        Ref = new Ref(node.Root / "replicas" / $"{Shard}~{Id}", OnMessage);
    }

    public ShardId Shard { get; }

    public ReplicaId Id { get; }

    public Ref Ref { get; }

    public Lineage Applied { get; private set; }

    public bool IsLoaded { get; private set; }

    /// <summary>Every rank of a step has been contributed.</summary>
    public void OnSum(Lineage input, TimeSpan openedAt)
    {
        // It was in the routes of every grant of the step only if it was there before the first one.
        if (!IsLoaded || (_sibling is not null && _loadedAt >= openedAt)) return;
        _cluster.Time.After(_cluster.Scenario.Sum * (0.5 + _cluster.Chance.Unit()), () =>
        {
            if (_node.IsAlive && Applied == input) TellSeal(input);
        });
    }

    private void OnMessage(object message)
    {
        if (!_node.IsAlive) return;
        switch (message)
        {
            case StartReplica m: OnStart(m); break;
            case ApplyStep m: OnApply(m); break;
            case ReportSeal m:
                if (Applied == m.Input && _cluster.IsSummed(m.Input)) TellSeal(m.Input);
                break;
            case PromiseTerm m:
                _cluster.TellCoordinator(_node, new ReplicaReport(Shard, Id, m.Term, Applied, _decision), Ref);
                break;
            case SnapshotReplica m:
                _cluster.Time.After(TimeSpan.FromSeconds(5), () =>
                {
                    if (_node.IsAlive) _cluster.TellCoordinator(_node, new BlobWritten(m.Version, Shard, Digest256.Of($"{Shard}"), Bytes));
                });
                break;
            case AdmitReplica: _sibling = null; break;
            case StopReplica:
                IsLoaded = false;
                _node.Replicas.Remove(Id);
                break;
            default: break;
        }
    }

    private long Bytes => 3L * sizeof(float) * Scenario.Layout.Shards[Shard.Value].Length;

    private void OnStart(StartReplica message)
    {
        if (IsLoaded)
        {
            _cluster.TellCoordinator(_node, new ReplicaReady(Shard, Id, Applied, Ref));
            return;
        }
        if (_isLoading) return;
        _isLoading = true;
        var sibling = message.Source.Sibling is { } source ? _cluster.FindReplica(source.Actor) : null;
        _cluster.Time.After(TimeSpan.FromSeconds(Bytes / _cluster.Scenario.CopyRate), () =>
        {
            if (!_node.IsAlive) return;
            (_sibling, IsLoaded, _loadedAt) = (sibling, true, _cluster.Time.Now);
            Applied = sibling?.Applied ?? message.Source.Version;
            _cluster.TellCoordinator(_node, new ReplicaReady(Shard, Id, Applied, Ref));
            if (sibling is not null) sibling._followers.Add(this);
        });
    }

    private readonly List<Replica> _followers = [];

    private void OnApply(ApplyStep step)
    {
        if (!IsLoaded || (Applied != step.Input && Applied != step.Output)) return;
        if (Applied == step.Output)
        {
            _cluster.TellCoordinator(_node, new StepApplied(Shard, Id, Applied, Checksum));
            return;
        }
        _cluster.Time.After(_cluster.Scenario.Apply * (0.5 + _cluster.Chance.Unit()), () =>
        {
            if (!_node.IsAlive || !IsLoaded || Applied != step.Input) return;
            (Applied, _decision) = (step.Output, step);
            _cluster.TellCoordinator(_node, new StepApplied(Shard, Id, Applied, Checksum));
            foreach (var follower in _followers)
                if (follower._sibling == this) _cluster.Time.After(_cluster.Latency(), () => follower.OnApply(step));
            _followers.RemoveAll(f => f._sibling != this);
        });
    }

    private ulong Checksum => 1 + (ulong)Applied.Step.Value;

    private void TellSeal(Lineage input) => _cluster.TellCoordinator(
        _node, new GradientSealed(Shard, Id, input, 0.25, true, new UInt128((ulong)Shard.Value, (ulong)input.Step.Value)) { StateChecksum = _decision is null ? null : Checksum, Attempt = _cluster.Attempt });
}
