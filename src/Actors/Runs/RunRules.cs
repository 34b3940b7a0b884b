using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>What a command leads to: an event to journal, or an answer without one.</summary>
/// <param name="Event">The event to persist; null when nothing changes.</param>
/// <param name="Answer">The answer to the client once the event is durable.</param>
public sealed record CommandOutcome(IRunEvent? Event, CommandAnswer Answer);

/// <summary>Turns commands into events. Pure: the same state, command and first free step give the same outcome.</summary>
public static class RunRules
{
    /// <summary>Decides a command.</summary>
    /// <param name="state">The journal so far.</param>
    /// <param name="command">The command.</param>
    /// <param name="firstFree">The first step not yet granted to anyone; after a failover, one above every step that a replica applied.</param>
    /// <param name="plan">The plan that the run was made with.</param>
    public static CommandOutcome Process(RunState state, IRunCommand command, Step firstFree, Plan plan)
    {
        if (state.Answers.TryGetValue(command.CommandId, out var known)) return new CommandOutcome(null, known);
        int layerCount = plan.Model.Config.NumHiddenLayers;
        switch (command)
        {
            case FreezeLayers c when c.LastLayer < 0 || c.LastLayer >= layerCount:
                return Refuse($"--layers: found 0-{c.LastLayer}, expected 0-K with K from 0 to {layerCount - 1}: the model has {layerCount} layers");
            case FreezeLayers c when Effective(c.At, firstFree, state.Freezes, "freeze or thaw", out var step, out string? why):
                return why is null ? Accept(new LayersFrozen(c.CommandId, c.Sender, step, c.LastLayer, c.DropMoments), $"layers 0-{c.LastLayer} and the embedding are frozen from step {step} on", step) : Refuse(why);
            case ThawLayers c when Effective(c.At, firstFree, state.Freezes, "freeze or thaw", out var step, out string? why):
                if (why is not null) return Refuse(why);
                return state.FrozenPrefixAt(step) == 0
                    ? Note(c, "nothing is frozen", null)
                    : Accept(new LayersThawed(c.CommandId, c.Sender, step), $"all layers are trained from step {step} on", step);
            case AmendPlan c when Effective(c.At, firstFree, state.Amendments, "amendment", out var step, out string? why):
                return why is null ? Amend(state, c, step, plan) : Refuse(why);
            case AttachData c when Effective(c.At, firstFree, state.Attachments, "attachment", out var step, out string? why):
                return why is null
                    ? Accept(new DataAttached(c.CommandId, c.Sender, step, c.Data, c.Replace), $"samples come from {c.Data.Path} (content {c.Data.Content.Short}){(c.Replace ? "" : " as well")} from step {step} on", step)
                    : Refuse(why);
            case PauseRun c:
                return state.PausedFrom is { } since
                    ? Note(c, $"already paused before step {since}", since)
                    : Accept(new RunPaused(c.CommandId, c.Sender, firstFree), $"pausing before step {firstFree}", firstFree);
            case ResumeRun c:
                return state.PausedFrom is null
                    ? Note(c, "the run is not paused", null)
                    : Accept(new RunResumed(c.CommandId, c.Sender), "resumed", null);
            default:
                return Refuse($"a command of type {command.GetType().Name} is not known");
        }
    }

    private static CommandOutcome Amend(RunState state, AmendPlan command, Step step, Plan plan)
    {
        try
        {
            var settings = PlanAmendment.Normalize(state.PlanAt(plan, step), command.Settings);
            return Accept(new PlanAmended(command.CommandId, command.Sender, step, settings), $"{string.Join(", ", settings)} from step {step} on", step);
        }
        catch (BadInputException problem)
        {
            return Refuse(problem.Message);
        }
    }

    /// <summary>Commands of one kind take effect in journal order, also those that wait for a far step.</summary>
    private static bool Effective(Step? at, Step firstFree, IReadOnlyList<IStepCommand> before, string kind, out Step step, out string? why)
    {
        Step last = before.Count == 0 ? Step.Zero : before[^1].EffectiveStep;
        var earliest = last > firstFree ? last : firstFree;
        step = at ?? earliest;
        why = at is not { } wanted || wanted >= earliest ? null
            : wanted < firstFree ? $"--at: found {wanted}, expected {firstFree} or later: earlier steps were granted already"
            : $"--at: found {wanted}, expected {last} or later: another {kind} waits for that step";
        return true;
    }

    private static CommandOutcome Accept(IRunEvent @event, string message, Step? step) => new(@event, new CommandAnswer(true, message, step));

    /// <summary>Nothing changes now; a copy that comes late must not change anything then.</summary>
    private static CommandOutcome Note(IRunCommand command, string message, Step? step) =>
        Accept(new CommandNoted(command.CommandId, command.Sender, message, step), message, step);

    private static CommandOutcome Refuse(string reason) => new(null, new CommandAnswer(false, reason, null));
}
