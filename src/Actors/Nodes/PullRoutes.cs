using ElasticTrain.Actors.Devices;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Nodes;

/// <summary>
/// The replicas that one version is pulled from, as the latest grant for it names them: a replica that is lost in the middle is no reason to begin again, and
/// no reason to wait for it. Thread-safe.
/// </summary>
/// <param name="grant">The first grant.</param>
public sealed class PullRoutes(GrantRanks grant)
{
    private readonly Lock _gate = new();
    private Snapshot _current = new(grant);

    /// <summary>The grant that named the routes.</summary>
    public GrantRanks Grant => Current.Grant;

    internal Snapshot Current => Volatile.Read(ref _current);

    /// <summary>Takes over the routes of a later grant for the same version.</summary>
    public void Update(GrantRanks later)
    {
        lock (_gate)
        {
            var before = _current;
            if (later.Parameters != before.Grant.Parameters || !GrantOrder.IsLater(later, before.Grant)) return;
            Volatile.Write(ref _current, new Snapshot(later));
            before.Replace();
        }
    }

    /// <summary>The routes at one moment.</summary>
    internal sealed class Snapshot(GrantRanks grant)
    {
        private readonly ILookup<ShardId, ShardRoute> _routes = grant.Routes.Where(r => !r.IsObserver).ToLookup(r => r.Shard);
        private readonly TaskCompletionSource _replaced = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public GrantRanks Grant { get; } = grant;

        /// <summary>Completes when there are others.</summary>
        public Task Replaced => _replaced.Task;

        /// <summary>The replicas of a shard.</summary>
        public IEnumerable<ShardRoute> Of(ShardId shard) => _routes[shard];

        public void Replace() => _replaced.TrySetResult();
    }
}
