using ElasticTrain.Core;

namespace ElasticTrain.Actors.Devices;

/// <summary>What a device does about a grant that it hears of.</summary>
public enum GrantAnswer
{
    /// <summary>Nothing: it is over, is being worked on, or was left for a later one.</summary>
    Ignore,

    /// <summary>Say the last result again: it was lost on its way.</summary>
    Repeat,

    /// <summary>Leave what is being done and work on this one.</summary>
    Begin,

    /// <summary>Refuse it: it names routes that this device has not got. It will come with them.</summary>
    LackRoutes,
}

/// <summary>Which grants a device takes. The highest term that it has heard of counts, and of that the highest number.</summary>
public sealed class DeviceGrants
{
    private Term _term;
    private (Term Term, long Grant, IReadOnlyList<ShardRoute> Routes)? _routes;

    /// <summary>What the device works on; null when idle.</summary>
    public GrantRanks? Current { get; private set; }

    /// <summary>What it has finished last.</summary>
    public RanksCompleted? Last { get; private set; }

    /// <summary>Hears of a grant; with its routes it is <see cref="Current"/> if the answer is to begin.</summary>
    public GrantAnswer Offer(GrantRanks grant)
    {
        if (grant.Term.Value < _term.Value) return GrantAnswer.Ignore;
        _term = grant.Term;
        if (Current is { } current)
        {
            if (grant.Term == current.Term && grant.GrantId <= current.GrantId) return GrantAnswer.Ignore;
        }
        else if (Last is { } last && last.Term == grant.Term && last.GrantId >= grant.GrantId)
        {
            return last.GrantId == grant.GrantId ? GrantAnswer.Repeat : GrantAnswer.Ignore;
        }
        if (grant.RoutesOf is not { } earlier) _routes = (grant.Term, grant.GrantId, grant.Routes);
        else if (_routes is { } known && known.Term == grant.Term && known.Grant == earlier) grant = grant with { Routes = known.Routes };
        else return GrantAnswer.LackRoutes;
        Current = grant;
        return GrantAnswer.Begin;
    }

    /// <summary>Whether the device works on this very grant: every term counts from 1 again, so that the number alone says nothing.</summary>
    public bool IsCurrent(GrantRanks grant) => ReferenceEquals(Current, grant);

    /// <summary>The current grant is done.</summary>
    /// <returns>The result, which is remembered.</returns>
    public RanksCompleted Complete(IReadOnlyList<RankOutcome> outcomes, IReadOnlyList<ReplicaId> missed, IReadOnlyList<RankChecksums> checksums)
    {
        var grant = Current ?? throw new InvalidOperationException("Nothing was granted.");
        Current = null;
        return Last = new RanksCompleted(grant.Term, grant.GrantId, grant.Input, grant.Ranks, outcomes)
        {
            Missed = missed,
            Attempt = grant.Attempt,
            IsAudit = grant.IsAudit,
            Checksums = checksums,
        };
    }

    /// <summary>What is said of a grant whose routes this device has not got.</summary>
    public static RanksFailed WithoutRoutes(GrantRanks grant) =>
        new(grant.Term, grant.GrantId, $"the device does not have the routes of grant {grant.RoutesOf}", Fatal: false);

    /// <summary>The current grant has failed.</summary>
    public void Fail() => Current = null;
}
