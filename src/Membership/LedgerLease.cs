using System.Data.Common;
using System.Diagnostics;
using Akka.Actor;
using Akka.Cluster;
using Akka.Coordination;
using Akka.Event;

namespace ElasticTrain.Membership;

/// <summary>
/// What Akka's split-brain resolver (<c>lease-majority</c>) asks before it puts members out: a side may, unless another side has put it out before
/// (<see cref="DowningLedger"/>). A lease proper is held until it is given back or runs out, and a side whose predecessor in office died with it would have
/// to end; an entry in a ledger is about the members that it names and nobody else. Without a database the majority may, or of two halves the one with
/// the lowest address.
/// </summary>
public sealed class LedgerLease : Lease
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly ActorSystem system;
    private readonly ILoggingAdapter log;
    private readonly DowningLedger? ledger;

    /// <summary>Made by Akka's lease provider.</summary>
    public LedgerLease(LeaseSettings settings, ExtendedActorSystem system) : base(settings)
    {
        this.system = system;
        log = Logging.GetLogger(system, typeof(LedgerLease));
        ledger = LedgerSettings.Read(settings.LeaseConfig) is { } where ? new DowningLedger(where) : null;
    }

    /// <summary>Asks for every decision anew: what was true of one is not of the next.</summary>
    public override bool CheckLease() => false;

    /// <inheritdoc/>
    public override Task<bool> Acquire() => Acquire(_ => { });

    /// <inheritdoc/>
    public override async Task<bool> Acquire(Action<Exception> leaseLostCallback)
    {
        Cluster cluster = Cluster.Get(system);
        if (ledger is null) return IsMajority(cluster.State);
        // SQLite's calls block, and the resolver asks on its own thread.
        return await Task.Run(() => AskAsync(cluster, ledger)).ConfigureAwait(false);
    }

    /// <summary>There is nothing to give back.</summary>
    public override Task<bool> Release() => Task.FromResult(true);

    private async Task<bool> AskAsync(Cluster cluster, DowningLedger ledger)
    {
        string self = Name(cluster.SelfUniqueAddress);
        var waited = Stopwatch.StartNew();
        using var limit = new CancellationTokenSource(Settings.TimeoutSettings.OperationTimeout);
        for (bool told = false; ; told = true)
        {
            try
            {
                ClusterEvent.CurrentClusterState state = cluster.State;
                string[] unreachable = [.. state.Unreachable.Select(m => Name(m.UniqueAddress))];
                string[] reachable = [.. state.Members.Except(state.Unreachable).Select(m => Name(m.UniqueAddress))];
                bool may = await ledger.TryPutOutAsync(self, reachable, unreachable, limit.Token).ConfigureAwait(false);
                if (!may) log.Warning("{0} was put out of the cluster by others: its side ends", self);
                return may;
            }
            catch (DbException e) when (waited.Elapsed < Settings.TimeoutSettings.OperationTimeout)
            {
                if (!told) log.Warning("the downing ledger does not answer, trying again for {0}: {1}", Settings.TimeoutSettings.OperationTimeout, e.Message);
                await Task.Delay(Pause).ConfigureAwait(false);
            }
            catch (OperationCanceledException e)
            {
                throw new LeaseTimeoutException($"the downing ledger did not answer within {Settings.TimeoutSettings.OperationTimeout}", e);
            }
        }
    }

    private static bool IsMajority(ClusterEvent.CurrentClusterState state)
    {
        Member[] members = [.. state.Members.Where(m => m.Status is not (MemberStatus.Joining or MemberStatus.WeaklyUp))];
        int lost = members.Count(state.Unreachable.Contains);
        return lost * 2 < members.Length
            || (lost * 2 == members.Length && members.MinBy(m => m.UniqueAddress) is { } first && !state.Unreachable.Contains(first));
    }

    private static string Name(UniqueAddress member) => $"{member.Address}#{member.Uid}";
}
