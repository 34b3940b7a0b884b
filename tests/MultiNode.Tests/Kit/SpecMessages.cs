using System.Text.Json;
using System.Text.Json.Serialization;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>One line between the conductor and a node. A request carries a number, and its <see cref="Reply"/> the same.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(Hello), "hello")]
[JsonDerivedType(typeof(Ready), "ready")]
[JsonDerivedType(typeof(Addresses), "addresses")]
[JsonDerivedType(typeof(EnterBarrier), "enter-barrier")]
[JsonDerivedType(typeof(ControlNode), "control-node")]
[JsonDerivedType(typeof(Throttle), "throttle")]
[JsonDerivedType(typeof(Reply), "reply")]
[JsonDerivedType(typeof(SpecResult), "result")]
[JsonDerivedType(typeof(Exit), "exit")]
internal abstract record SpecMessage
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    public string ToLine() => JsonSerializer.Serialize(this, Options);

    public static SpecMessage Parse(string line) => JsonSerializer.Deserialize<SpecMessage>(line, Options) ?? throw new JsonException("an empty message");
}

/// <summary>Node to conductor, first of all: who it is. The token keeps other processes of the machine out.</summary>
internal sealed record Hello(string Token, string Role, int Life) : SpecMessage;

/// <summary>Node to conductor: its actor system is up.</summary>
internal sealed record Ready(string Address) : SpecMessage;

/// <summary>Conductor to nodes: where everybody is. The first one starts the spec's code.</summary>
internal sealed record Addresses(IReadOnlyDictionary<string, string> Of) : SpecMessage;

/// <summary>Node to conductor; answered when all others have come too.</summary>
internal sealed record EnterBarrier(int Id, string Name, IReadOnlyList<string>? Among) : SpecMessage;

/// <summary>What a node may have done to a process or to its link.</summary>
internal enum NodeControl
{
    Kill,
    Stop,
    Continue,
    Start,
    LinkDown,
    LinkUp,
}

/// <summary>Node to conductor: do this to a role's process; answered when it is done.</summary>
internal sealed record ControlNode(int Id, NodeControl What, string Role) : SpecMessage;

/// <summary>Node to conductor, and on to the node at whose transport it is done: drop or pass what it exchanges with <paramref name="Other"/>.</summary>
internal sealed record Throttle(int Id, string At, string Other, Direction Direction, bool Blackhole) : SpecMessage;

/// <summary>Either way: a request is done, or why not.</summary>
internal sealed record Reply(int Id, string? Error) : SpecMessage;

/// <summary>Node to conductor: its spec code has ended; with an error it has failed.</summary>
internal sealed record SpecResult(string? Error, string? Stack) : SpecMessage;

/// <summary>Conductor to nodes: end the process.</summary>
internal sealed record Exit : SpecMessage;
