namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>One part in a spec, played by one process at a time.</summary>
/// <param name="Name">Unique in the spec; also the node's name where a node has one.</param>
public sealed record Role(string Name)
{
    /// <summary>The seed node: the real <c>lighthouse</c> executable, which runs no spec code.</summary>
    public static readonly Role Lighthouse = new("lighthouse");

    /// <inheritdoc/>
    public override string ToString() => Name;
}
