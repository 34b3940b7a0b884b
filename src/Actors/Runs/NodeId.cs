namespace ElasticTrain.Actors.Runs;

/// <summary>One life of a node: a restarted process is another node of the same name.</summary>
/// <param name="Name">The name it was started with, for example node-2.</param>
/// <param name="Address">Its cluster address.</param>
/// <param name="Uid">The incarnation number that Akka gave the process's actor system.</param>
public readonly record struct NodeId(string Name, string Address, int Uid)
{
    /// <summary>Whether a member of the cluster is this life of this node.</summary>
    public bool Is(Akka.Cluster.Member member) => member.UniqueAddress.Uid == Uid && member.Address.ToString() == Address;

    /// <inheritdoc/>
    public override string ToString() => $"{Name}#{(uint)Uid:x8}";
}
