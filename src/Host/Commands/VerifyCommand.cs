using System.CommandLine;
using System.Globalization;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Folding;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Host.Commands;

/// <summary><c>verify</c>: replays a run on one device without a cluster and compares every digest with the journal.</summary>
public static class VerifyCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var runDirectory = CommonOptions.RunDirectory();
        var json = CommonOptions.Json();
        var from = new Option<long?>("--from") { Description = "replay from the checkpoint of this step; 0 for the very beginning (default: the oldest checkpoint kept)", HelpName = "STEP" };
        var command = new Command("verify", "Replay the run from a checkpoint and compare every step's digest with the journal. Exit code 1 names the first step that differs.") { runDirectory, from, json };
        command.SetAction(parsed =>
        {
            using var session = RunSession.Open(parsed.GetRequiredValue(runDirectory));
            var result = Verify(session, parsed.GetValue(from));
            System.Console.WriteLine(parsed.GetValue(json)
                ? System.Text.Json.JsonSerializer.Serialize(result, Actors.Serialization.JsonFormat.Options)
                : result.Message);
            return result.Ok ? 0 : 1;
        });
        return command;
    }

    private sealed record Verdict(bool Ok, long From, long To, long? FirstDifference, string Message);

    private static Verdict Verify(RunSession session, long? from)
    {
        TorchRuntime.BindThread();
        var state = new JournalReader(session.Journal, session.Folder.Run).ReadState();
        if (state.Created is not { } created) throw new BadInputException($"--run-dir {session.Folder.Directory}", "an empty journal", "a run that has begun");
        var (start, seal) = Start(session, state, from);
        using var fold = new StepFold(session.Definition, created.Initial, start);
        long first = fold.Version.Step.Value;
        if (start is not null && seal is not null && start.StateDigest != seal.State)
            return new Verdict(false, first, first, first, $"step {first}: the checkpoint's state is {start.StateDigest}, the journal sealed {seal.State}");
        while (fold.Version.Step.Value < state.Committed.Count)
        {
            var step = fold.Version.Step.Next;
            var expected = state.CommitOf(step)!;
            var found = fold.Advance(state);
            if (found.Digest != expected.Digest || found.LossBits != expected.LossBits)
                return new Verdict(false, first, step.Value, step.Value, string.Create(CultureInfo.InvariantCulture,
                    $"step {step} differs: replayed loss {found.LossBits:x8} digest {found.Digest}, journal loss {expected.LossBits:x8} digest {expected.Digest}"));
            if (state.Seals.LastOrDefault(s => s.Version == fold.Version) is { } sealedHere && fold.StateDigest() is var digest && digest != sealedHere.State)
                return new Verdict(false, first, step.Value, step.Value, $"step {step} differs: replayed state {digest}, the journal sealed {sealedHere.State}");
        }
        return new Verdict(true, first, state.Committed.Count, null, $"steps {first + 1} to {state.Committed.Count} replayed: every loss, digest and sealed state is the journal's");
    }

    private static (CheckpointManifest? Manifest, CheckpointSealed? Seal) Start(RunSession session, RunState state, long? from)
    {
        if (from == 0) return (null, null);
        var stored = session.Definition.Checkpoints.Manifests(out var problems)
            .Where(m => m.PlanHash == session.Definition.PlanHash && state.Seals.Any(s => s.Version == m.Version)).OrderBy(m => m.Step).ToList();
        foreach (string problem in problems) System.Console.Error.WriteLine(problem);
        string steps = string.Join(", ", stored.Select(m => m.Step).Prepend(Step.Zero));
        var manifest = from is null ? stored.FirstOrDefault() : stored.FirstOrDefault(m => m.Step.Value == from)
            ?? throw new BadInputException("--from", $"{from}", $"the step of a stored checkpoint: {steps}");
        return (manifest, manifest is null ? null : state.Seals.Last(s => s.Version == manifest.Version));
    }
}
