using Xunit.Sdk;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>A spec failed. The message says where and why, and holds what every process wrote.</summary>
public sealed class MultiNodeFailure(string reason, string outputs, IReadOnlyList<int> pids) : XunitException($"{reason}\n{outputs}")
{
    /// <summary>Why, without the outputs.</summary>
    public string Reason { get; } = reason;

    /// <summary>The processes that the spec had started; they have all ended.</summary>
    public IReadOnlyList<int> Pids { get; } = pids;
}
