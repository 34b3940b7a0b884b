using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Serialization;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Host.Progress;

namespace ElasticTrain.Host.Commands;

/// <summary><c>status</c>, <c>events</c>, <c>digest</c>: look at a run, whether it runs or not.</summary>
public static class InspectCommands
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2.5);

    /// <summary><c>status</c>.</summary>
    public static Command Status()
    {
        var runDirectory = CommonOptions.RunDirectory();
        var json = CommonOptions.Json();
        var command = new Command("status", "How a run is: waiting, running, paused, finished or stopped. Works at any time.") { runDirectory, json };
        command.SetAction(async (parsed, _) =>
        {
            var (folder, reader) = Open(parsed.GetRequiredValue(runDirectory));
            var (status, reason) = await RemoteStatus.AskAsync(folder.Directory, Patience).ConfigureAwait(false);
            status ??= Offline(folder, reader, reason);
            if (parsed.GetValue(json)) System.Console.WriteLine(StatusJson(status).ToJsonString());
            else Print(status);
            return 0;
        });
        return command;
    }

    /// <summary><c>events</c>.</summary>
    public static Command Events()
    {
        var runDirectory = CommonOptions.RunDirectory();
        var json = CommonOptions.Json();
        var command = new Command("events", "The run's journal, one event a line.") { runDirectory, json };
        command.SetAction(parsed =>
        {
            var (_, reader) = Open(parsed.GetRequiredValue(runDirectory));
            var events = reader.Read();
            if (parsed.GetValue(json))
            {
                var array = new JsonArray();
                foreach (var e in events)
                    array.Add(new JsonObject
                    {
                        ["sequence"] = e.SequenceNumber,
                        ["time"] = e.WrittenAt.ToString("O", CultureInfo.InvariantCulture),
                        ["event"] = e.Event.GetType().Name,
                        ["data"] = JsonSerializer.SerializeToNode(e.Event, e.Event.GetType(), JsonFormat.Options),
                    });
                System.Console.WriteLine(array.ToJsonString());
            }
            else
            {
                foreach (var e in events)
                    System.Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{e.SequenceNumber,6}  {e.WrittenAt:yyyy-MM-dd HH:mm:ss.fff}  {e.Event.GetType().Name,-18} {Summary(e.Event)}"));
            }
            return 0;
        });
        return command;
    }

    /// <summary><c>digest</c>.</summary>
    public static Command Digest()
    {
        var runDirectory = CommonOptions.RunDirectory();
        var json = CommonOptions.Json();
        var command = new Command("digest", "One line per committed step (step, loss bits, digest of its history) and the SHA-256 of the newest sealed state.") { runDirectory, json };
        command.SetAction(parsed =>
        {
            var (folder, reader) = Open(parsed.GetRequiredValue(runDirectory));
            var state = reader.ReadState();
            string? sealedState = state.Seals.Count == 0 ? null : state.Seals.MaxBy(s => s.Version.Step)!.State.ToString();
            if (parsed.GetValue(json))
            {
                var steps = new JsonArray([.. state.Committed.Select(c => (JsonNode)new JsonObject
                {
                    ["step"] = c.Step.Value,
                    ["loss"] = c.LossBits.ToString("x8", CultureInfo.InvariantCulture),
                    ["digest"] = c.Digest.ToString(),
                })]);
                System.Console.WriteLine(new JsonObject { ["run"] = folder.Run.ToString(), ["steps"] = steps, ["state"] = sealedState }.ToJsonString());
            }
            else
            {
                foreach (var c in state.Committed)
                    System.Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{c.Step} {c.LossBits:x8} {c.Digest}"));
                System.Console.WriteLine($"state {sealedState ?? "none"}");
            }
            return 0;
        });
        return command;
    }

    /// <summary>Opens a run for reading.</summary>
    internal static (RunFolder Folder, JournalReader Reader) Open(string directory)
    {
        var folder = RunFolder.Open(directory);
        return (folder, new JournalReader(new JournalSettings(RunSession.LoadPlan(folder).Journal, folder), folder.Run));
    }

    /// <summary>What the journal alone says; live nodes without an answer mean that a coordinator is being made.</summary>
    private static RunStatus Offline(RunFolder folder, JournalReader reader, string? reason)
    {
        RunState state;
        string? unreadable = null;
        try
        {
            state = reader.ReadState();
        }
        catch (System.Data.Common.DbException error)
        {
            state = RunState.Empty;
            unreadable = $"the journal cannot be read: {error.Message}";
        }
        var live = NodeFile.ReadLive(folder.Directory);
        bool finished = state.Finished is not null;
        string name = live.Count > 0 ? "waiting" : finished ? "finished" : "stopped";
        string detail = unreadable ?? reason ?? (live.Count > 0 ? "no coordinator answers at the moment"
            : finished ? $"finished at step {state.Finished!.Version.Step}"
            : state.Halted is { } halted ? $"halted at step {halted.Step}: {halted.Reason}"
            : $"no process is running; train goes on from step {state.Committed.Count}");
        var last = state.Committed.Count > 0 ? state.Committed[^1] : null;
        return new RunStatus(
            name, detail, state.Committed.Count, name == "finished" ? state.Committed.Count : RunSession.LoadPlan(folder).TotalSteps,
            [.. live.Select(n => new WorkerStatus(n.Name, n.Pid, 0))], null, 0, state.Coordinator?.Term.Value ?? 0, [],
            state.FrozenPrefixAt(state.CommittedVersion.Step), last is null ? 0 : BitConverter.UInt32BitsToSingle(last.LossBits),
            last?.LearningRate ?? 0, last?.GradientNorm ?? 0, 0, state.Seals.Count == 0 ? null : state.Seals[^1].Version.Step.Value, [])
        {
            MtpLoss = last?.MtpLoss ?? 0,
            BalanceLoss = last?.BalanceLoss ?? 0,
            Commands = state.CommandsFor(state.CommittedVersion.Step),
        };
    }

    private static JsonObject StatusJson(RunStatus status)
    {
        var json = JsonSerializer.SerializeToNode(status, JsonFormat.Options)!.AsObject();
        json.Remove("coordinatorNode");
        json.Remove("coordinatorPid");
        json["coordinator"] = status.CoordinatorNode is null ? null : new JsonObject { ["node"] = status.CoordinatorNode, ["pid"] = status.CoordinatorPid };
        return json;
    }

    private static void Print(RunStatus status)
    {
        System.Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{status.State}: step {status.Step} of {status.Steps}  ({status.Detail})"));
        if (status.Step > 0)
            System.Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"loss {status.Loss:0.0000}{ProgressView.SideLosses(status.MtpLoss, status.BalanceLoss)}  tokens/s {status.TokensPerSecond:0}  lr {status.LearningRate:0.00e+00}  grad {status.GradientNorm:0.000}  checkpoint {status.Checkpoint?.ToString(CultureInfo.InvariantCulture) ?? "none"}"));
        if (status.FrozenLayers > 0) System.Console.WriteLine($"frozen: the embedding and layers 0-{status.FrozenLayers - 1}");
        foreach (string command in status.Commands) System.Console.WriteLine(command);
        if (status.CoordinatorNode is not null) System.Console.WriteLine($"coordinator: {status.CoordinatorNode} (pid {status.CoordinatorPid}, term {status.Term})");
        foreach (var worker in status.Workers) System.Console.WriteLine($"worker: {worker.Node} (pid {worker.Pid}, {worker.Devices} device(s))");
        foreach (var node in status.Shards.GroupBy(s => s.Node).OrderBy(g => g.Key, StringComparer.Ordinal))
            System.Console.WriteLine($"shards on {node.Key}: {string.Join(" ", node.Select(s => $"{s.Id}~r{s.Replica}"))} ({node.Sum(s => s.Bytes)} bytes)");
    }

    private static string Summary(IRunEvent @event) => @event switch
    {
        RunCreated e => $"run {e.Run} plan {e.PlanHash.Short} numerics {e.NumericsClass.Short}",
        CoordinatorStarted e => $"term {e.Term} on {e.Node} (pid {e.Pid})",
        ReplicasPlaced e => $"from step {e.From.Step} on {string.Join(", ", e.Placements.GroupBy(p => p.Node.Name).Select(g => $"{g.Key} ({g.Count()})"))}: {e.Reason}",
        StepCommitted e => string.Create(CultureInfo.InvariantCulture, $"step {e.Step} loss {BitConverter.UInt32BitsToSingle(e.LossBits):0.0000}{ProgressView.SideLosses(e.MtpLoss, e.BalanceLoss)} digest {e.Digest.Short}{(e.Skipped ? " skipped" : "")}"),
        CheckpointSealed e => $"step {e.Version.Step} state {e.State.Short}",
        CheckpointFailed e => $"step {e.Step}: {e.Reason}",
        LayersFrozen e => $"layers 0-{e.LastLayer} from step {e.EffectiveStep} on, moments {(e.DropMoments ? "dropped" : "kept")}, by {e.Sender}",
        LayersThawed e => $"from step {e.EffectiveStep} on, by {e.Sender}",
        PlanAmended e => $"{string.Join(", ", e.Settings)} from step {e.EffectiveStep} on, by {e.Sender}",
        DataAttached e => $"{e.Data.Path} (content {e.Data.Content.Short}){(e.Replace ? "" : " as well")} from step {e.EffectiveStep} on, by {e.Sender}",
        ReplicaRecruited e => $"{e.Placement.Shard}~{e.Placement.Replica} on {e.Placement.Node.Name} from ~{e.Sibling}: {e.Reason}",
        ReplicaJoined e => $"{e.Placement.Shard}~{e.Placement.Replica} on {e.Placement.Node.Name}, equal at step {e.Version.Step}",
        ReplicasRemoved e => $"{string.Join(", ", e.Replicas.GroupBy(p => p.Node.Name).Select(g => $"{g.Key} ({g.Count()})"))}: {e.Reason}",
        ReplicaDiverged e => $"{e.Shard} at step {e.Input.Step.Next}: {string.Join(" and ", e.Findings.Select(f => $"~{f.Replica.Replica} on {f.Replica.Node.Name}"))} differ",
        DivergenceResolved e => $"{e.Shard} at step {e.Input.Step.Next}: wrong {(e.Wrong.Count == 0 ? "nobody" : string.Join(", ", e.Wrong.Select(p => $"~{p.Replica} on {p.Node.Name}")))}",
        CorruptionSuspected e => e.ToString(),
        StepRestarted e => $"step {e.Input.Step.Next}, attempt {e.Attempt} given up: {e.Reason}",
        NodeDraining e => $"{e.Node.Name}, by {e.Sender}",
        RunPaused e => $"before step {e.EffectiveStep}, by {e.Sender}",
        RunResumed e => $"by {e.Sender}",
        CommandNoted e => $"by {e.Sender}: {e.Message}",
        RunFinished e => $"step {e.Version.Step} state {e.State.Short}",
        RunHalted e => $"step {e.Step}: {e.Reason}",
        _ => "",
    };
}
