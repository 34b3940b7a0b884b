using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Decisions;

/// <summary>
/// The learning rate of a step: the peak of the step's phase, times a factor that rises in a straight line to 1 over the warm-up, and then
/// follows the schedule's curve down to its minimum at the last step of the plan. How many steps a command asks for never plays a part.
/// </summary>
public static class LearningRate
{
    /// <summary>The rate at a step.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="step">1 or more; past the plan's end the last step's rate holds.</param>
    public static double At(Plan plan, Step step)
    {
        double peak = plan.PhaseAt(step).LearningRate;
        var schedule = plan.Optimizer.Schedule;
        if (step.Value < schedule.WarmupSteps) return peak * ((double)step.Value / schedule.WarmupSteps);
        double progress = Math.Min(1.0, (double)(step.Value - schedule.WarmupSteps) / (plan.TotalSteps - schedule.WarmupSteps));
        return peak * Factor(schedule, progress);
    }

    private static double Factor(SchedulePlan schedule, double progress) => schedule.Kind switch
    {
        ScheduleKind.Constant => 1.0,
        ScheduleKind.Linear => 1.0 - ((1.0 - schedule.MinRatio) * progress),
        ScheduleKind.Cosine => schedule.MinRatio + ((1.0 - schedule.MinRatio) * (0.5 * (1.0 + CosinePi(progress)))),
        _ => throw new InvalidOperationException($"No curve for the schedule {schedule.Kind}."),
    };

    /// <summary>
    /// cos(pi x) for x in [0, 1] to below 1e-15, from additions, multiplications and divisions alone, which IEEE 754 rounds the same way on
    /// every machine; the C library's cosine, which <see cref="Math.Cos"/> calls, does not.
    /// </summary>
    internal static double CosinePi(double x)
    {
        if (x > 0.5) return -CosinePi(1.0 - x);
        double square = Math.PI * x * (Math.PI * x), sum = 1.0;
        // Taylor's series by Horner's rule; the first term left out, (pi / 2)^24 / 24!, is below 1e-19.
        for (int k = 22; k >= 2; k -= 2) sum = 1.0 - (square / (k * (k - 1)) * sum);
        return sum;
    }
}
