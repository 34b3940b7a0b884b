namespace ElasticTrain.Actors.Runs;

/// <summary>One life of a node: a restarted process is another node of the same name.</summary>
/// <param name="Name">The name it was started with, for example node-2.</param>
/// <param name="Address">Its cluster address.</param>
/// <param name="Uid">The incarnation number that Akka gave the process's actor system.</param>
public readonly record struct NodeId(string Name, string Address, int Uid)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}#{(uint)Uid:x8}";
}
