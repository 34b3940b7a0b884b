using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Freezing;

/// <summary>Freezes what the plan says when it says so. A line is sent some steps before its own, early enough to hold from exactly that step, and late enough not to stand in an operator's way.</summary>
/// <param name="schedule">In ascending order.</param>
public sealed class SchedulePolicy(IReadOnlyList<FreezeScheduleEntry> schedule) : IFreezePolicy
{
    /// <summary>How many steps ahead a line is sent.</summary>
    public const long Lead = 64;

    private int _next;

    /// <inheritdoc/>
    public IReadOnlyList<FreezeDecision> Observe(StepObservation step)
    {
        var due = new List<FreezeDecision>();
        for (; _next < schedule.Count && schedule[_next].Step.Value <= step.Step.Value + Lead; _next++)
        {
            var entry = schedule[_next];
            // One whose step has passed was journaled before this policy began to look, and is the same command; if not, it holds from now on.
            due.Add(new FreezeDecision(FormattableString.Invariant($"freeze-schedule-{entry.Step}-{entry.FrozenPrefix}"), entry.FrozenPrefix, entry.Step > step.Step ? entry.Step : null));
        }
        return due;
    }
}
