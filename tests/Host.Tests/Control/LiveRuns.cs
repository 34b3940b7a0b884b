using ElasticTrain.Host.Control;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Control;

/// <summary>Commands to a run's live nodes as freeze, pause, ... send them, without the time that a process of its own takes to start.</summary>
internal static class LiveRuns
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Sends a command, with a client id of the test's choice.</summary>
    public static async Task<ControlReply> SendAsync(this RunFolder run, ControlRequest request) =>
        await ControlClient.SendAsync(run, request, Patience, CancellationToken.None) ?? throw new InvalidOperationException($"No node lives.\n{run.Describe()}");

    /// <summary>Sends a command that must be accepted.</summary>
    public static async Task AcceptedAsync(this RunFolder run, string command, params (string Name, string Value)[] arguments)
    {
        ControlReply reply = await run.SendAsync(ControlRequest.New(command, arguments.ToDictionary(a => a.Name, a => a.Value)));
        if (!reply.Ok) Assert.Fail($"{command} was refused: {reply.Error}\n{run.Describe()}");
    }
}
