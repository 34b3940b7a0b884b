using ElasticTrain.Actors.Freezing;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Freezing;

public sealed class FreezePolicyRulesTests
{
    private const int Layers = 4;

    private static readonly FreezePlan Plan = FreezePlan.None with { Window = 10, Threshold = 0.05, Patience = 2 };

    private static StepObservation Seen(long step, int frozen, params double[] norms) => new(new Step(step), frozen, 1e-3, norms);

    /// <summary>Shows a policy steps from one on, following what it decides as the run would, and gives the decisions with the step that they came after.</summary>
    private static List<(long Step, FreezeDecision Decision)> Run(IFreezePolicy policy, long first, long last, Func<long, int, StepObservation> observe, int frozen = 0)
    {
        var decisions = new List<(long, FreezeDecision)>();
        for (long step = first; step <= last; step++)
        {
            var made = policy.Observe(observe(step, frozen));
            decisions.AddRange(made.Select(d => (step, d)));
            if (made.Count > 0) frozen = made[^1].FrozenPrefix;
        }
        return decisions;
    }

    [Fact]
    public void A_schedule_is_sent_some_steps_ahead_each_line_once_and_with_its_own_step()
    {
        var policy = new SchedulePolicy([new(new Step(10), 1), new(new Step(100), 3), new(new Step(200), 0)]);
        var decisions = Run(policy, 1, 300, (step, frozen) => Seen(step, frozen, 1, 1, 1, 1));
        Assert.Equal([(1L, 1, new Step(10)), (100 - SchedulePolicy.Lead, 3, new Step(100)), (200 - SchedulePolicy.Lead, 0, new Step(200))],
            decisions.Select(d => (d.Step, d.Decision.FrozenPrefix, d.Decision.At!.Value)));
    }

    [Fact]
    public void A_schedule_that_begins_to_look_late_names_the_same_commands_so_that_none_counts_twice()
    {
        FreezeScheduleEntry[] lines = [new(new Step(10), 1), new(new Step(100), 3)];
        var early = Run(new SchedulePolicy(lines), 1, 300, (step, frozen) => Seen(step, frozen, 1, 1, 1, 1));
        var late = Run(new SchedulePolicy(lines), 150, 300, (step, frozen) => Seen(step, frozen, 1, 1, 1, 1));
        Assert.Equal(early.Select(d => d.Decision.CommandId), late.Select(d => d.Decision.CommandId));
        // Should they not be in the journal, they hold from now on.
        Assert.All(late, d => Assert.Null(d.Decision.At));
    }

    /// <summary>Norms that fall by a fifth in each window until a step that is the layer's own, with some noise that a window averages out.</summary>
    private static double Norm(long step, long until) => Math.Pow(0.8, Math.Min(step, until) / 10.0) * (step % 2 == 0 ? 1.3 : 0.7);

    [Fact]
    public void The_longest_prefix_of_layers_whose_gradient_norm_has_stopped_changing_is_frozen_and_never_the_last()
    {
        long[] until = [100, 40, 200, 0];
        var decisions = Run(new PlateauPolicy(Plan, Layers), 1, 400, (step, frozen) => Seen(step, frozen, [.. until.Select((u, layer) => layer < frozen ? 0 : Norm(step, u))]));
        // Layer 1 waits for layer 0. A window's mean changes once more after the last change, and two windows must agree.
        Assert.Equal([(130L, 2), (230L, 3)], decisions.Select(d => (d.Step, d.Decision.FrozenPrefix)));
        Assert.All(decisions, d => Assert.Equal($"freeze-plateau-{d.Step}-{d.Decision.FrozenPrefix}", d.Decision.CommandId));
        Assert.All(decisions, d => Assert.Null(d.Decision.At));
    }

    [Fact]
    public void More_layers_can_be_left_alone() =>
        Assert.Equal(1, Assert.Single(Run(new PlateauPolicy(Plan with { KeepLast = 3 }, Layers), 1, 400, (step, frozen) => Seen(step, frozen, 1, 1, 1, 1))).Decision.FrozenPrefix);

    [Fact]
    public void A_skipped_step_says_nothing_about_norms()
    {
        var decisions = Run(new PlateauPolicy(Plan, Layers), 1, 60, (step, frozen) => Seen(step, frozen, step % 7 == 0 ? [double.NaN, 1, 1, 1] : [1, 1, 1, 1]));
        Assert.Equal(3, Assert.Single(decisions).Decision.FrozenPrefix);
    }

    [Fact]
    public void After_a_thaw_by_somebody_else_a_plateau_must_be_seen_anew()
    {
        var policy = new PlateauPolicy(Plan, Layers);
        Assert.Single(Run(policy, 1, 100, (step, frozen) => Seen(step, frozen, 1, 1, 1, 1)));
        var again = Run(policy, 101, 200, (step, frozen) => Seen(step, frozen, 1, 1, 1, 1));
        Assert.Equal(130, Assert.Single(again).Step);
    }

    private static StepObservation Probe(long step, int frozen, double rate, params double[] plasticity) => Seen(step, frozen, 1, 1, 1, 1) with { LearningRate = rate, Plasticity = plasticity };

    /// <summary>Moves away from the reference, and stops after a number of snapshots.</summary>
    private static double Plasticity(long snapshot, long until) => 1 - Math.Exp(-Math.Min(snapshot, until) / 5.0);

    [Fact]
    public void Layers_whose_activations_stop_moving_away_from_the_reference_are_frozen_front_first()
    {
        long[] until = [10, 5, 30, 0];
        var plan = Plan with { Window = 4 };
        var decisions = Run(new SimilarityPolicy(plan, Layers), 1, 60, (step, frozen) => Probe(step, frozen, 1e-3, [.. until.Select(u => Plasticity(step, u))]));
        Assert.Equal([2, 3], decisions.Select(d => d.Decision.FrozenPrefix));
        // It may stand still a little before: the curve flattens.
        Assert.InRange(decisions[0].Step, 10, 10 + 5);
        Assert.InRange(decisions[1].Step, 13, 30 + 5);
        Assert.Empty(Run(new SimilarityPolicy(plan, Layers), 1, 60, (step, frozen) => Probe(step, frozen, 1e-3, 0.01 * step, 1, 1, 1)));
    }

    [Fact]
    public void Everything_is_thawed_when_the_learning_rate_has_fallen_far_below_that_of_the_freeze()
    {
        var policy = new SimilarityPolicy(Plan with { Window = 4, ThawRatio = 0.1 }, Layers);
        var decisions = Run(policy, 1, 40, (step, frozen) => step % 2 == 0
            ? Probe(step, frozen, step < 30 ? 1e-3 : 0.99e-4, 1, 1, 1, 1)
            : Seen(step, frozen, 1, 1, 1, 1) with { LearningRate = step < 30 ? 1e-3 : 0.99e-4 });
        Assert.Equal([3, 0], decisions.Take(2).Select(d => d.Decision.FrozenPrefix));
        Assert.Equal(30, decisions[1].Step);
        Assert.True(decisions.Count == 2 || decisions[2].Step > 36, "it froze again before it had seen anew");
    }

    [Fact]
    public void A_slope_is_that_of_the_line_with_the_least_squares()
    {
        Assert.Equal(3, SimilarityPolicy.Slope([1, 4, 7, 10]), 12);
        Assert.Equal(0.5, SimilarityPolicy.Slope([0, 1, 1]), 12);
    }

    [Fact]
    public void Similarity_ignores_rotation_and_scale_and_sees_what_belongs_together()
    {
        float[] first = [1, 0, 2, 0, 0, 1], turned = [0, -1, 0, -2, 1, 0], scaled = [.. first.Select(v => 3 * v)], mixed = [1, 0, 0, 1, 2, 0];
        var matrix = new SimilarityMatrix(first, 3);
        Assert.Equal(0, matrix.Loss(new SimilarityMatrix(turned, 3)), 12);
        Assert.Equal(0, matrix.Loss(new SimilarityMatrix(scaled, 3)), 12);
        Assert.True(matrix.Loss(new SimilarityMatrix(mixed, 3)) > 0.1);
        Assert.Equal(0, matrix.Loss(new SimilarityMatrix(new float[6], 3)) - new SimilarityMatrix(new float[6], 3).Loss(matrix), 12);
    }
}
