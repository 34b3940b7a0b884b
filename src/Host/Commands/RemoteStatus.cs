using System.Text.Json;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Control;

namespace ElasticTrain.Host.Commands;

/// <summary>Asks a run in other processes how it is.</summary>
internal static class RemoteStatus
{
    /// <summary>The status; without one, the nodes' reason for that, null if no node answers in time.</summary>
    internal static async Task<(RunStatus? Status, string? Reason)> AskAsync(string directory, TimeSpan timeout)
    {
        var reply = await ControlClient.SendAsync(directory, ControlRequest.New("status"), timeout, CancellationToken.None, awaitNodes: false).ConfigureAwait(false);
        return reply is { Ok: true, Result: { } result } ? (result.Deserialize<RunStatus>(ControlJson.Options), null)
            : (null, reply?.Error == ControlReply.NoCoordinator ? null : reply?.Error);
    }
}
