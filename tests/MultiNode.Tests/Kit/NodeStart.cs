using System.Text.Json;
using ElasticTrain.Membership;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>What a node's process is told on its command line.</summary>
/// <param name="Spec">Full name of the spec's class.</param>
/// <param name="Role">The role it plays.</param>
/// <param name="Life">1 for the role's first process, then 2, ...</param>
/// <param name="Conductor">Where the conductor listens: a loopback port, or the path of a Unix socket (a network namespace has a loopback of its own).</param>
/// <param name="Token">Opens the conductor.</param>
/// <param name="Parent">The conductor's process.</param>
/// <param name="SystemName">Name of the actor system.</param>
/// <param name="Host">Address that the node binds.</param>
/// <param name="Port">Port of Akka.Remote; 0: any. A later life has its predecessor's.</param>
/// <param name="Seeds">Addresses of the nodes to join.</param>
/// <param name="Ledger">Where the members write whom they put out.</param>
/// <param name="Arguments">What the fact gave to the spec.</param>
internal sealed record NodeStart(
    string Spec, string Role, int Life, string Conductor, string Token, string Parent, string SystemName, string Host, int Port,
    IReadOnlyList<string> Seeds, LedgerSettings Ledger, IReadOnlyDictionary<string, string> Arguments)
{
    public string ToJson() => JsonSerializer.Serialize(this);

    public static NodeStart Parse(string json) => JsonSerializer.Deserialize<NodeStart>(json) ?? throw new JsonException("no start");
}
