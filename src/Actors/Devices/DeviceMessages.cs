using System.Text.Json.Serialization;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Devices;

/// <summary>Where a replica of a shard is reached.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">The replica's number.</param>
/// <param name="DataPlane">Endpoint of its node's tensor server, host:port.</param>
public sealed record ShardRoute(ShardId Shard, ReplicaId Replica, string DataPlane)
{
    /// <summary>The replica still follows its sibling: it gets contributions, so that it can join, but nobody waits for it, and nobody pulls from it.</summary>
    public bool IsObserver { get; init; }
}

/// <summary>
/// Parameters as nodes keep them for several grants. A version's name is that of its history, whatever bits somebody holds under it: after the replicas were placed anew,
/// because one of them was found to be wrong, say, what was pulled from them before counts for nothing.
/// </summary>
/// <param name="Version">The version.</param>
/// <param name="PlacedAt">The first attempt with the replicas that it was pulled from.</param>
public readonly record struct ParameterVersion(Lineage Version, Attempt PlacedAt);

/// <summary>Work for one device: a block of ranks of one step.</summary>
/// <param name="Term">The sender's term.</param>
/// <param name="GrantId">Names this grant; results carry it back.</param>
/// <param name="Input">The parameter version to compute on: the step is the one after it.</param>
/// <param name="Ranks">An aligned block of the reduction tree.</param>
/// <param name="FrozenPrefix">K + 1 freezes the embedding and the layers 0 to K; 0 freezes nothing.</param>
/// <param name="Routes">All replicas that contributions go to, in shard order; the first of a shard is its primary.</param>
public sealed record GrantRanks(Term Term, long GrantId, Lineage Input, RankRange Ranks, int FrozenPrefix, IReadOnlyList<ShardRoute> Routes)
{
    /// <summary>Where the step's samples come from; null for the data that the run was made with.</summary>
    public Runs.StepData? Data { get; init; }

    /// <summary>The attempt at the step: contributions carry it.</summary>
    public Attempt Attempt { get; init; }

    /// <summary>The first attempt with replicas that go back to those of now.</summary>
    public Attempt PlacedAt { get; init; }

    /// <summary>What the ranks are computed on.</summary>
    [JsonIgnore]
    public ParameterVersion Parameters => new(Input, PlacedAt);

    /// <summary>The ranks whose gradients' checksums are to be reported.</summary>
    public IReadOnlyList<int> Audited { get; init; } = [];

    /// <summary>The ranks are computed only to be compared by their checksums; nothing is contributed.</summary>
    public bool IsAudit { get; init; }

    /// <summary>
    /// An earlier grant of the same term, which the device has finished: the routes are those that came with it. There are thousands, and they seldom change.
    /// Null where <see cref="Routes"/> says them.
    /// </summary>
    public long? RoutesOf { get; init; }
}

/// <summary>What one rank found besides its gradient.</summary>
/// <param name="LossSum">Loss summed over unmasked tokens, nats.</param>
/// <param name="LossTokens">Number of unmasked tokens.</param>
/// <param name="TokensPerExpert">Row-major [MoE layer, expert].</param>
public sealed record RankOutcome(double LossSum, long LossTokens, IReadOnlyList<long> TokensPerExpert)
{
    /// <summary>The prediction module's loss summed over its predictions, nats; 0 without one.</summary>
    public double MtpLossSum { get; init; }

    /// <summary>Number of these predictions.</summary>
    public long MtpLossTokens { get; init; }

    /// <summary>The rank's part of the step's balance loss; 0 without one.</summary>
    public double BalanceLoss { get; init; }

    /// <summary>What a rank's result holds besides its gradient.</summary>
    public static RankOutcome Of(RankResult result) => new(result.LossSum, result.LossTokens, result.TokensPerExpert)
    {
        MtpLossSum = result.MtpLossSum,
        MtpLossTokens = result.MtpLossTokens,
        BalanceLoss = result.BalanceLoss,
    };

    /// <summary>Tokens per expert of several ranks together.</summary>
    /// <param name="outcomes">At least one.</param>
    public static long[] SumTokensPerExpert(IReadOnlyList<RankOutcome> outcomes)
    {
        long[] sum = new long[outcomes[0].TokensPerExpert.Count];
        foreach (var outcome in outcomes)
        {
            var tokens = Span(outcome.TokensPerExpert);
            for (int i = 0; i < sum.Length; i++) sum[i] += tokens[i];
        }
        return sum;
    }

    /// <summary>A coordinator adds up some thousand numbers of each of some thousand ranks: not by way of an interface, one at a time.</summary>
    private static ReadOnlySpan<long> Span(IReadOnlyList<long> tokens) => tokens switch
    {
        long[] array => array,
        List<long> list => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(list),
        _ => tokens.ToArray(),
    };
}

/// <summary>A granted block is computed, and of every shard at least one replica has acknowledged its contribution.</summary>
/// <param name="Term">Of the grant.</param>
/// <param name="GrantId">Of the grant.</param>
/// <param name="Input">Of the grant.</param>
/// <param name="Ranks">Of the grant.</param>
/// <param name="Outcomes">One per rank, in rank order.</param>
public sealed record RanksCompleted(Term Term, long GrantId, Lineage Input, RankRange Ranks, IReadOnlyList<RankOutcome> Outcomes)
{
    /// <summary>Replicas that could not be reached; of each shard at least one has the contribution.</summary>
    public IReadOnlyList<ReplicaId> Missed { get; init; } = [];

    /// <summary>Of the grant.</summary>
    public Attempt Attempt { get; init; }

    /// <summary>Whether nothing was contributed.</summary>
    public bool IsAudit { get; init; }

    /// <summary>Of the audited ranks, in rank order.</summary>
    public IReadOnlyList<RankChecksums> Checksums { get; init; } = [];
}

/// <summary>A granted block could not be finished; its ranks go back to the queue.</summary>
/// <param name="Term">Of the grant.</param>
/// <param name="GrantId">Of the grant.</param>
/// <param name="Reason">What went wrong.</param>
/// <param name="Fatal">Whether the cause is corruption that must stop the run, not a broken connection.</param>
public sealed record RanksFailed(Term Term, long GrantId, string Reason, bool Fatal)
{
    /// <summary>Of the grant.</summary>
    public Attempt Attempt { get; init; }

    /// <summary>Whether a replica had the same ranks with other bits.</summary>
    public bool IsMismatch { get; init; }

    /// <summary>What a device says of a grant that an error has ended.</summary>
    public static RanksFailed Of(GrantRanks grant, Exception cause) => new(grant.Term, grant.GrantId, cause.Message, ContributionSender.IsFatal(cause))
    {
        Attempt = grant.Attempt,
        IsMismatch = ContributionSender.IsMismatch(cause),
    };
}

/// <summary>Read the samples of coming work ahead of time.</summary>
/// <param name="Samples">Whose.</param>
/// <param name="Step">The step.</param>
/// <param name="Ranks">The ranks.</param>
public sealed record PrefetchSamples(Data.SampleIndex Samples, Step Step, RankRange Ranks);
