using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>What became of a contribution.</summary>
public enum ContributionOutcome
{
    /// <summary>New; the sum is not complete yet (or another contribution completed it).</summary>
    Accepted,

    /// <summary>Its ranks were already covered; dropped.</summary>
    Duplicate,

    /// <summary>New, and with it [0, V) is covered: the sum is ready. Reported for exactly one contribution.</summary>
    Completed,
}

/// <summary>The same block arrived twice with different bits. A rank's gradient is a pure function, so one of the senders computed or kept it wrongly.</summary>
/// <param name="block">The block.</param>
/// <param name="first">XxHash128 of the values that are held.</param>
/// <param name="second">XxHash128 of the values that arrived now; they were dropped.</param>
/// <param name="where">What the ranks were contributed to, with a colon and a space behind it; empty if that is not known.</param>
public sealed class ContributionMismatchException(RankRange block, UInt128 first, UInt128 second, string where = "")
    : ElasticTrainException($"{where}Ranks {block} were contributed twice with different values: digest {first:x32}, then {second:x32}. One of the senders has corrupt data.")
{
    /// <summary>The block.</summary>
    public RankRange Block { get; } = block;

    /// <summary>XxHash128 of the values that are held.</summary>
    public UInt128 First { get; } = first;

    /// <summary>XxHash128 of the values that arrived now.</summary>
    public UInt128 Second { get; } = second;

    /// <summary>The same with the place named.</summary>
    public ContributionMismatchException At(string place) => new(Block, First, Second, $"{place}: ");
}
