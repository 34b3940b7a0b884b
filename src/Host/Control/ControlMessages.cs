using System.Text.Json;
using ElasticTrain.Actors.Serialization;

namespace ElasticTrain.Host.Control;

/// <summary>A command to a running run.</summary>
/// <param name="Command">Its name: <c>status</c>, <c>freeze</c>, <c>pause</c>, ...</param>
/// <param name="Arguments">Its arguments by name.</param>
/// <param name="ClientId">Names this command, whatever number of times it is sent: a retry is not a second command.</param>
public sealed record ControlRequest(string Command, IReadOnlyDictionary<string, string> Arguments, string ClientId)
{
    /// <summary>A command of its own, with a new client id.</summary>
    public static ControlRequest New(string command, IReadOnlyDictionary<string, string>? arguments = null) =>
        new(command, arguments ?? new Dictionary<string, string>(), Guid.NewGuid().ToString("N"));
}

/// <summary>The answer to a command.</summary>
/// <param name="Ok">Whether it was done (or, for a repeated one, had been done before).</param>
/// <param name="Error">Why not, for the user.</param>
/// <param name="Result">What it gave, if anything.</param>
/// <param name="Retry">The node cannot say now (no coordinator for the moment): the client asks again until its time is up.</param>
public sealed record ControlReply(bool Ok, string? Error, JsonElement? Result, bool Retry = false)
{
    /// <summary>Done, with a result that is serialised as JSON (camelCase).</summary>
    public static ControlReply Success<T>(T result) => new(true, null, JsonSerializer.SerializeToElement(result, ControlJson.Options));

    /// <summary>Done.</summary>
    public static ControlReply Success() => new(true, null, null);

    /// <summary>Refused, for good.</summary>
    public static ControlReply Failure(string error) => new(false, error, null);

    /// <summary>The reason of a node that knows no better one.</summary>
    public const string NoCoordinator = "no coordinator answers";

    /// <summary>Not possible now; worth another try.</summary>
    public static ControlReply NotNow(string reason) => new(false, reason, null, true);
}

/// <summary>How the control channel and the files beside it write JSON.</summary>
public static class ControlJson
{
    /// <summary>camelCase names, no indentation, no nulls left out; ids as in the journal; a loss that is no number is written as <c>"NaN"</c>.</summary>
    public static JsonSerializerOptions Options => JsonFormat.Options;
}

/// <summary>One line on the wire: the request with the token of the node it is meant for.</summary>
internal sealed record ControlFrame(string? Token, string? Command, Dictionary<string, string>? Arguments, string? ClientId);
