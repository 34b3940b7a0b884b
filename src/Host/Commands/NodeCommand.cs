using System.CommandLine;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Nodes;

namespace ElasticTrain.Host.Commands;

/// <summary><c>node</c>: one process of a cluster.</summary>
public static class NodeCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var plan = new Argument<string?>("PLAN") { Description = "the plan (default: the one in the run's folder)", Arity = ArgumentArity.ZeroOrOne };
        var runDirectory = CommonOptions.RunDirectory();
        var steps = CommonOptions.Steps();
        var sets = CommonOptions.Sets();
        var name = new Option<string>("--name") { Description = "the node's name, unique in the run", DefaultValueFactory = _ => $"node-{Environment.ProcessId}", HelpName = "NAME" };
        var seeds = new Option<string>("--seeds") { Description = "seed nodes, HOST:PORT,... (default: CLUSTER_SEEDS, or the nodes that live in the run's folder)", HelpName = "LIST" };
        var roles = new Option<string>("--roles") { Description = "coordinator, worker or both", DefaultValueFactory = _ => "coordinator,worker", HelpName = "LIST" };
        var expect = new Option<int>("--expect") { Description = "how many workers the first placement waits a moment for", DefaultValueFactory = _ => 1, HelpName = "N" };
        var parent = new Option<string?>("--parent") { Description = "end when this process ends (PID:START)", HelpName = "PID" };
        var command = new Command("node", "Run one node of a cluster: it joins through the seeds and works until the run ends.")
        {
            plan, runDirectory, steps, seeds, roles, name, sets, expect, parent,
        };
        command.SetAction((parsed, _) => RunAsync(
            parsed.GetValue(plan), parsed.GetRequiredValue(runDirectory), parsed.GetValue(steps), parsed.GetRequiredValue(name), parsed.GetValue(seeds),
            parsed.GetRequiredValue(roles), parsed.GetValue(expect), parsed.GetValue(parent), CommonOptions.Pairs(parsed.GetValue(sets))));
        return command;
    }

    private static async Task<int> RunAsync(
        string? planFile, string directory, long? steps, string name, string? seeds, string roles, int expect, string? parent,
        IReadOnlyList<KeyValuePair<string, string>> sets)
    {
        var roleList = roles.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        foreach (string role in roleList)
            if (role is not (RunNode.CoordinatorRole or RunNode.WorkerRole)) throw new BadInputException("--roles", $"'{role}'", "coordinator, worker or both, separated by a comma");
        var cluster = ClusterEnvironment.Read(0);
        // Beside nodes of the same folder their cluster is meant, whatever its name and ports are.
        string[] beside = [.. NodeFile.ReadLive(directory).Where(n => n.Cluster is not null).Select(n => n.Cluster!)];
        if (beside.Length > 0 && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("ACTORSYSTEM")))
            cluster = cluster with { SystemName = beside[0][(beside[0].LastIndexOf('/') + 1)..beside[0].LastIndexOf('@')] };
        if (seeds is null && cluster.Seeds.Count == 0 && beside.Length > 0) seeds = string.Join(',', beside.Select(c => c[(c.LastIndexOf('@') + 1)..]));
        if (seeds is not null) cluster = cluster with { Seeds = ClusterEnvironment.ParseSeeds("--seeds", seeds, cluster.SystemName) };
        if (cluster.Seeds.Count == 0) throw new BadInputException("--seeds", "nothing", "at least one seed node: a node never forms a cluster of its own (start a lighthouse first)");
        CommonOptions.CheckSteps(steps);
        using var session = planFile is null && RunFolder.Exists(directory)
            ? RunSession.Open(directory)
            : RunSession.Prepare(Plan.Load(planFile ?? throw new BadInputException("PLAN", "nothing", $"a plan, because {directory} holds no run yet"), sets), directory, System.Console.WriteLine);
        var plan = session.Definition.Plan;
        var options = new NodeOptions(
            name, cluster, roleList, new RunTarget(steps ?? plan.TotalSteps, plan.Elastic.MinWorkers, expect), ChaosSettings.FromEnvironment(plan.Elastic.AllowChaos));
        var process = new NodeProcess(session, options, ownsRun: false);
        using var watch = parent is null ? null : ParentWatch.Start(ProcessIdentity.Parse(parent), () => Environment.Exit(1));
        try
        {
            var ended = await process.RunAsync(null).ConfigureAwait(false);
            System.Console.WriteLine(ended.Message);
            return ended.ExitCode;
        }
        catch (Exception error) when (error is not ElasticTrainException)
        {
            // A broken node is not a failed run: whoever supervises it starts it again.
            await System.Console.Error.WriteLineAsync($"internal error: {error}").ConfigureAwait(false);
            return RunEnded.Superseded;
        }
    }
}
