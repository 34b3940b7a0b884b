using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>A key of a plan and what it is set to, as text.</summary>
/// <param name="Key">Its path: <c>optimizer.learning-rate</c>.</param>
/// <param name="Value">As <c>--set</c> takes it.</param>
public sealed record PlanSetting(string Key, string Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Key}={Value}";
}

/// <summary>
/// What of a plan may change while its run goes on: the learning rate with its schedule, the weight decay and the clip. Everything else decides over shapes, samples or
/// moments, so another value is another run. Pure.
/// </summary>
public static class PlanAmendment
{
    private static readonly (string Key, Func<Plan, string> Value)[] Keys =
    [
        ("optimizer.learning-rate", plan => Text(plan.Optimizer.LearningRate)),
        ("optimizer.weight-decay", plan => Text(plan.Optimizer.WeightDecay)),
        ("optimizer.clip", plan => Text(plan.Optimizer.Clip)),
        ("optimizer.schedule.type", plan => Words.Of(Words.Schedules, plan.Optimizer.Schedule.Kind)),
        ("optimizer.schedule.warmup-steps", plan => plan.Optimizer.Schedule.WarmupSteps.ToString(CultureInfo.InvariantCulture)),
        ("optimizer.schedule.min-ratio", plan => Text(plan.Optimizer.Schedule.MinRatio)),
    ];

    /// <summary>
    /// A plan with settings laid over it. <c>optimizer.learning-rate</c> is the peak of every phase that has the optimizer's rate so far; <c>phases.N.learning-rate</c> is one phase's.
    /// </summary>
    /// <param name="plan">The plan so far.</param>
    /// <param name="settings">Later ones win.</param>
    /// <exception cref="BadInputException">A key that cannot change in a running run, or a value that the key cannot have; all problems at once.</exception>
    public static Plan Apply(Plan plan, IReadOnlyList<PlanSetting> settings)
    {
        var problems = settings.Where(s => ValueOf(plan, s.Key) is null).Select(s => new BadInputException(
            $"--set {s.Key}", "a key that cannot change while the run goes on", Expected)).ToList();
        if (problems.Count > 0) throw new BadInputException(problems);
        if (settings.Count == 0) throw new BadInputException("--set", "nothing", Expected);
        var sets = settings.Select(s => KeyValuePair.Create(s.Key, s.Value)).ToList();
        if (settings.LastOrDefault(s => s.Key == Keys[0].Key) is { } rate)
        {
            // Written out, every phase has a rate of its own: those that took the optimizer's follow it, unless they are named as well.
            for (int i = 0; i < plan.Phases.Count; i++)
                if (plan.Phases[i].LearningRate.Equals(plan.Optimizer.LearningRate)) sets.Insert(0, KeyValuePair.Create(PhaseKey(i), rate.Value));
        }
        return PlanBinder.Bind(plan.ToHocon(), "the run's plan", sets, checkMachine: false);
    }

    /// <summary>The settings as the journal has them: checked, one for each key, values written in one way, in an order that says nothing.</summary>
    /// <param name="plan">The plan so far.</param>
    /// <param name="settings">As the client sent them.</param>
    /// <exception cref="BadInputException">As with <see cref="Apply"/>.</exception>
    public static IReadOnlyList<PlanSetting> Normalize(Plan plan, IReadOnlyList<PlanSetting> settings)
    {
        var amended = Apply(plan, settings);
        return [.. settings.Select(s => s.Key).Distinct().Order(StringComparer.Ordinal).Select(key => new PlanSetting(key, ValueOf(amended, key)!))];
    }

    private static string Expected => $"one of {string.Join(", ", Keys.Select(k => k.Key))}, phases.N.learning-rate";

    /// <summary>What a plan says under a key that may change; null for any other key.</summary>
    private static string? ValueOf(Plan plan, string key)
    {
        for (int i = 0; i < plan.Phases.Count; i++)
            if (key == PhaseKey(i)) return Text(plan.Phases[i].LearningRate);
        return Keys.FirstOrDefault(k => k.Key == key).Value?.Invoke(plan);
    }

    private static string PhaseKey(int index) => FormattableString.Invariant($"phases.{index}.learning-rate");

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
