using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Launching;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Host.Progress;

namespace ElasticTrain.Host.Commands;

/// <summary><c>train PLAN</c>: a run from start to end, in this process or in processes that it starts.</summary>
public static class TrainCommand
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(200);

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var plan = new Argument<string>("PLAN") { Description = "the plan: a HOCON file, for example hocon/plans/quickstart.conf" };
        var runDirectory = CommonOptions.NewRunDirectory();
        var steps = CommonOptions.Steps();
        var sets = CommonOptions.Sets();
        var nodes = new Option<int?>("--nodes") { Description = "start a Lighthouse and N worker processes on this machine instead of training in this process", HelpName = "N" };
        var restartAfter = new Option<double>("--restart-after") { Description = "with --nodes: start a dead process again after so many seconds", DefaultValueFactory = _ => 5, HelpName = "SECONDS" };
        var noRestart = new Option<bool>("--no-restart") { Description = "with --nodes: do not start dead processes again" };
        var clusterPort = new Option<int>("--cluster-port") { Description = "with --nodes: the Lighthouse's port, or the next free one", DefaultValueFactory = _ => ClusterDefaults.SeedPort, HelpName = "PORT" };
        var command = new Command("train", "Train a model. Run it again with the same folder and it goes on from where it was.")
        {
            plan, runDirectory, steps, nodes, sets, restartAfter, noRestart, clusterPort,
        };
        command.SetAction((parsed, _) =>
        {
            var loaded = Plan.Load(parsed.GetRequiredValue(plan), CommonOptions.Pairs(parsed.GetValue(sets)));
            string directory = Path.GetFullPath(parsed.GetValue(runDirectory) ?? Path.Combine("runs", loaded.Name));
            long total = CommonOptions.CheckSteps(parsed.GetValue(steps)) ?? loaded.TotalSteps;
            int? count = parsed.GetValue(nodes);
            if (count is < 1) throw new BadInputException("--nodes", $"{count}", "1 or more");
            return count is { } several
                ? LaunchAsync(loaded, directory, total, several, parsed.GetValue(noRestart) ? null : TimeSpan.FromSeconds(parsed.GetValue(restartAfter)), parsed.GetValue(clusterPort))
                : RunHereAsync(loaded, directory, total);
        });
        return command;
    }

    private static async Task<int> RunHereAsync(Plan plan, string directory, long steps)
    {
        using var held = RunLock.Acquire(directory);
        var view = ProgressView.OnConsole();
        using var session = RunSession.Prepare(plan, directory, view.Note);
        view.Note($"run: {directory}");
        var options = new NodeOptions(
            "node-1", new ClusterEnvironment(ClusterDefaults.SystemName, "127.0.0.1", 0, [], ""), [RunNode.CoordinatorRole, RunNode.WorkerRole],
            new RunTarget(steps, plan.Elastic.MinWorkers, 1), ChaosSettings.FromEnvironment(plan.Elastic.AllowChaos, "node-1"));
        var follower = new ProgressFollower(view, Refresh);
        var ended = await new NodeProcess(session, options, ownsRun: true).RunAsync((node, ct) => follower.FollowAsync(async () => (await node.StatusAsync(TimeSpan.FromSeconds(1)).ConfigureAwait(false), node.JournalProblem), ct)).ConfigureAwait(false);
        return Finish(session, ended.ExitCode, ended.Message, view);
    }

    private static async Task<int> LaunchAsync(Plan plan, string directory, long steps, int nodes, TimeSpan? restartAfter, int clusterPort)
    {
        var view = ProgressView.OnConsole();
        using var session = RunSession.Prepare(plan, directory, view.Note);
        view.Note($"run: {directory}");
        // The folder's copy of the plan has every setting resolved and every path absolute.
        var launch = new LaunchOptions(
            directory, nodes, session.Folder.PlanFile,
            ["--steps", steps.ToString(CultureInfo.InvariantCulture), "--expect", nodes.ToString(CultureInfo.InvariantCulture)], restartAfter, clusterPort)
        { PreemptionGrace = plan.Elastic.PreemptionGrace, Ledger = session.Journal.Ledger };
        using var interrupt = new CancellationTokenSource();
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Interrupt(c, interrupt));
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Interrupt(c, interrupt));
        using var done = new CancellationTokenSource();
        var following = new ProgressFollower(view, Refresh).FollowAsync(() => RemoteStatus.AskAsync(directory, TimeSpan.FromSeconds(1)), done.Token);
        int code;
        try
        {
            code = await new Launcher(launch, view.Note).RunAsync(interrupt.Token).ConfigureAwait(false);
        }
        finally
        {
            await done.CancelAsync().ConfigureAwait(false);
            await following.ConfigureAwait(false);
        }
        var state = new JournalReader(session.Journal, session.Folder.Run).ReadState();
        string message = state.Halted is { } halted && code == 1 ? $"halted at step {halted.Step}: {halted.Reason}" : $"step {state.Committed.Count} of {steps} committed";
        return Finish(session, code, message, view, state);
    }

    private static int Finish(RunSession session, int code, string message, ProgressView view, RunState? journaled = null)
    {
        view.Note(message);
        if (code == 130) view.Note("run the same command again to go on from there");
        if (code != 0) return code;
        var state = journaled ?? new JournalReader(session.Journal, session.Folder.Run).ReadState();
        var report = new FinalReport(session);
        if (report.Find(state.CommittedVersion) is { } manifest) report.Write(manifest, System.Console.Out);
        System.Console.WriteLine($"""
            try next (the run's folder is {session.Folder.Directory}):
              kill -9 it in the middle and run it again: it goes on, and `elastictrain digest` says the same
              train ... --nodes 3: three processes and a Lighthouse; kill any of them
              elastictrain freeze --layers 0-1 --run-dir DIR: freeze the lower layers while it runs
              elastictrain verify --run-dir DIR: replay it and compare every bit
            """);
        return 0;
    }

    private static void Interrupt(PosixSignalContext context, CancellationTokenSource source)
    {
        context.Cancel = true;
        source.Cancel();
    }
}
