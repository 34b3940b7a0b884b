using ElasticTrain.Core;

namespace ElasticTrain.Actors.Devices;

/// <summary>Which of two grants is the later one, and what that means for the other.</summary>
public static class GrantOrder
{
    /// <summary>Whether a grant was given after another: under a higher term, or with a higher number under the same one.</summary>
    public static bool IsLater(GrantRanks grant, GrantRanks than) =>
        grant.Term.Value > than.Term.Value || (grant.Term == than.Term && grant.GrantId > than.GrantId);

    /// <summary>Whether a later grant shows that nobody wants another one's parameters any more: it is for others. A replica that is lost or has come since changes nothing.</summary>
    /// <param name="grant">The grant in question.</param>
    /// <param name="by">The grant that was heard of.</param>
    public static bool IsOutdated(GrantRanks grant, GrantRanks by) =>
        by.Parameters != grant.Parameters && IsLater(by, grant);
}
