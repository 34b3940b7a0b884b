using System.Globalization;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;

namespace ElasticTrain.Host.Nodes;

/// <summary>What a node does with commands from the control channel: passes them on to whoever coordinates.</summary>
/// <param name="node">The node.</param>
public sealed class ControlHandler(RunNode node)
{
    /// <summary>What an accepted command tells its client.</summary>
    private sealed record CommandResult(string Message, long? EffectiveStep);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>A coordinator answers this question from memory; without one, the client answers it from the journal.</summary>
    private static readonly TimeSpan StatusPatience = TimeSpan.FromSeconds(1);

    /// <summary>Answers a request.</summary>
    public async Task<ControlReply> HandleAsync(ControlRequest request)
    {
        string sender = request.Arguments.GetValueOrDefault("sender", "command line");
        return request.Command switch
        {
            "status" => await node.StatusAsync(StatusPatience).ConfigureAwait(false) is { } status
                ? ControlReply.Success(status)
                : ControlReply.NotNow(node.JournalProblem ?? ControlReply.NoCoordinator),
            "stop" => Stop(sender),
            "drain" => await SendAsync(new DrainNode(request.ClientId, sender, request.Arguments.GetValueOrDefault("node", ""), ForGood: true)).ConfigureAwait(false),
            "pause" => await SendAsync(new PauseRun(request.ClientId, sender)).ConfigureAwait(false),
            "resume" => await SendAsync(new ResumeRun(request.ClientId, sender)).ConfigureAwait(false),
            "thaw" => await SendAsync(new ThawLayers(request.ClientId, sender, At(request))).ConfigureAwait(false),
            "freeze" => await SendAsync(new FreezeLayers(
                request.ClientId, sender, int.Parse(request.Arguments["layers"], CultureInfo.InvariantCulture), At(request),
                request.Arguments.GetValueOrDefault("moments") == "drop")).ConfigureAwait(false),
            "amend" => await SendAsync(new AmendPlan(request.ClientId, sender, Settings(request), At(request))).ConfigureAwait(false),
            "attach" => await AttachAsync(request, sender).ConfigureAwait(false),
            _ => ControlReply.Failure($"found the command '{request.Command}', expected status, stop, pause, resume, drain, freeze, thaw, amend or attach"),
        };
    }

    private ControlReply Stop(string sender)
    {
        node.RequestStop($"asked to by {sender}");
        return ControlReply.Success();
    }

    private async Task<ControlReply> SendAsync(IRunCommand command)
    {
        var answer = await node.SendAsync(command, Patience).ConfigureAwait(false);
        if (answer is null) return ControlReply.NotNow(node.JournalProblem ?? ControlReply.NoCoordinator);
        if (answer.Retry) return ControlReply.NotNow(answer.Message);
        return answer.Accepted ? ControlReply.Success(new CommandResult(answer.Message, answer.EffectiveStep?.Value)) : ControlReply.Failure(answer.Message);
    }

    /// <summary>A command in the journal cannot be taken back, so what it names is read whole before it is sent.</summary>
    private async Task<ControlReply> AttachAsync(ControlRequest request, string sender)
    {
        string path = request.Arguments["path"];
        try
        {
            var data = await Task.Run(() => node.Runtime.Definition.Data.Inspect(path)).ConfigureAwait(false);
            return await SendAsync(new AttachData(request.ClientId, sender, data, request.Arguments.GetValueOrDefault("replace") == "yes", At(request))).ConfigureAwait(false);
        }
        catch (Exception error) when (error is ElasticTrainException or IOException or UnauthorizedAccessException)
        {
            return ControlReply.Failure($"{node.Runtime.Id.Name} cannot read the data: {error.Message}");
        }
    }

    private static IReadOnlyList<PlanSetting> Settings(ControlRequest request) => [.. request.Arguments["settings"].Split('\n').Select(line =>
    {
        int equals = line.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? new PlanSetting(line, "") : new PlanSetting(line[..equals], line[(equals + 1)..]);
    })];

    private static Step? At(ControlRequest request) =>
        request.Arguments.TryGetValue("at", out string? at) ? new Step(long.Parse(at, CultureInfo.InvariantCulture)) : null;
}
