using System.Runtime.InteropServices;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Model;

namespace ElasticTrain.Host.Nodes;

/// <summary>One node in this process, from start to end: actor system, control channel, signals.</summary>
/// <param name="session">What it runs.</param>
/// <param name="options">How it takes part.</param>
/// <param name="ownsRun">Whether the run lives in this process alone: a signal then ends the run; otherwise the node leaves and the run goes on.</param>
public sealed class NodeProcess(RunSession session, NodeOptions options, bool ownsRun)
{
    private int _stops;

    /// <summary>Runs the node until the run ends or the process is asked to stop.</summary>
    /// <param name="follow">Follows the run's progress meanwhile, if anyone wants to.</param>
    /// <returns>How it ended.</returns>
    public async Task<RunEnded> RunAsync(Func<RunNode, CancellationToken, Task>? follow)
    {
        var numericsClass = options.Chaos.NumericsClass is { } claimed
            ? Digest256.Of(claimed) : await OnThread(() => NumericsClass.Probe(session.Definition.Plan.Numerics.Compute)).ConfigureAwait(false);
        string directory = session.Folder.Directory;
        await using var node = await RunNode.StartAsync(options, session.Definition, session.Journal, numericsClass, CancellationToken.None).ConfigureAwait(false);
        await using var control = new ControlServer(
            new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0), (request, ct) => new ControlHandler(node).HandleAsync(request));
        NodeFile.For(options.Name, control).Write(directory);
        var announced = AnnounceAsync(node, control);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, node, "interrupted"));
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, node, "asked to end"));
        using var done = new CancellationTokenSource();
        var following = follow?.Invoke(node, done.Token) ?? Task.CompletedTask;
        var ended = await node.Ended.ConfigureAwait(false);
        await done.CancelAsync().ConfigureAwait(false);
        await following.ConfigureAwait(false);
        await announced.ConfigureAwait(false);
        return ended;
    }

    /// <summary>Others join through this node once it is up: through one that itself looks for a cluster they would wait for each other.</summary>
    private async Task AnnounceAsync(RunNode node, ControlServer control)
    {
        if (await Task.WhenAny(node.Up, node.Ended).ConfigureAwait(false) == node.Up)
            NodeFile.For(options.Name, control, node.Runtime.Id.Address).Write(session.Folder.Directory);
    }

    private void Stop(PosixSignalContext context, RunNode node, string reason)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _stops) > 1)
        {
            // A second signal does not wait: what is not sealed is replayed at the next start.
            node.Runtime.Ended.TrySetResult(new RunEnded(130, $"{reason} twice: ended at once"));
            return;
        }
        if (ownsRun) node.RequestStop(reason);
        else _ = node.DrainAsync(reason);
        var grace = session.Definition.Plan.Elastic.PreemptionGrace;
        _ = Task.Delay(grace).ContinueWith(
            _ => node.Runtime.Ended.TrySetResult(new RunEnded(130, $"{reason}: the run did not answer within {grace.TotalSeconds:0} s")), TaskScheduler.Default);
    }

    private static Task<T> OnThread<T>(Func<T> function)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                result.SetResult(function());
            }
            catch (Exception error)
            {
                result.SetException(error);
            }
        });
        thread.Start();
        return result.Task;
    }
}
