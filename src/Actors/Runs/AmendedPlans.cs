using System.Collections.Concurrent;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>The plan of each step. Amending binds a whole plan anew; a step takes the same one as the step before it. Thread-safe.</summary>
/// <param name="plan">The plan that the run was made with.</param>
public sealed class AmendedPlans(Plan plan)
{
    private readonly ConcurrentDictionary<string, Plan> _known = new();

    /// <summary>The plan in a step, amended by the commands that hold by then.</summary>
    /// <param name="state">The journal.</param>
    /// <param name="step">The step.</param>
    public Plan At(RunState state, Step step)
    {
        if (state.Amendments.IsEmpty || state.Amendments[0].EffectiveStep > step) return plan;
        string key = string.Join('\n', state.Amendments.TakeWhile(a => a.EffectiveStep <= step).Select(a => a.Content));
        return _known.GetOrAdd(key, _ => state.PlanAt(plan, step));
    }
}
