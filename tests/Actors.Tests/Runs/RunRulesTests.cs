using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class RunRulesTests
{
    private static readonly Actors.Plans.Plan Plan = Plans.Given.Plan();

    private sealed record Unknown(string CommandId, string Sender) : IRunCommand;

    private static CommandOutcome Process(RunState state, IRunCommand command, long firstFree = 5) =>
        RunRules.Process(state, command, new Step(firstFree), Plan);

    private static FreezeLayers Freeze(string id = "f", int lastLayer = 1, long? at = null, bool drop = false) =>
        new(id, "test", lastLayer, at is { } step ? new Step(step) : null, drop);

    [Fact]
    public void A_freeze_without_a_step_takes_the_first_one_that_is_not_granted()
    {
        var outcome = Process(Sample.Committed(3), Freeze(drop: true));
        Assert.Equal(new LayersFrozen("f", "test", new Step(5), 1, true), outcome.Event);
        Assert.Equal((true, new Step(5)), (outcome.Answer.Accepted, outcome.Answer.EffectiveStep));
    }

    [Theory]
    [InlineData(5, true)]
    [InlineData(9, true)]
    [InlineData(4, false)]
    [InlineData(0, false)]
    public void A_freeze_at_a_step_that_was_granted_is_refused_and_both_steps_are_named(long at, bool accepted)
    {
        var outcome = Process(Sample.Committed(3), Freeze(at: at));
        Assert.Equal(accepted, outcome.Answer.Accepted);
        Assert.Equal(accepted ? new Step(at) : null, (outcome.Event as LayersFrozen)?.EffectiveStep);
        if (!accepted) Assert.Contains($"--at: found {at}, expected 5 or later", outcome.Answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_does_not_overtake_one_that_waits_for_a_far_step()
    {
        var state = Sample.Committed(3, Sample.Frozen("far", 20, 0));
        var refused = Process(state, Freeze(at: 10));
        Assert.False(refused.Answer.Accepted);
        Assert.Contains("expected 20 or later", refused.Answer.Message, StringComparison.Ordinal);
        Assert.Equal(new Step(20), Process(state, Freeze()).Answer.EffectiveStep);
        Assert.Equal(new Step(20), ((LayersThawed)Process(state, new ThawLayers("t", "test", null)).Event!).EffectiveStep);
    }

    private static AmendPlan Amend(string id = "m", long? at = null, params string[] sets) => new(
        id, "test", [.. (sets.Length == 0 ? ["optimizer.clip=0.5"] : sets).Select(s => new Actors.Plans.PlanSetting(s.Split('=')[0], s.Split('=')[1]))], at is { } step ? new Step(step) : null);

    private static AttachData Attach(string id = "d", long? at = null) => new(id, "test", Sample.Data("x"), true, at is { } step ? new Step(step) : null);

    [Fact]
    public void Amendments_and_attached_data_take_the_first_step_that_is_not_granted_or_a_later_one()
    {
        var state = Sample.Committed(3);
        Assert.Equal(new Step(5), ((PlanAmended)Process(state, Amend()).Event!).EffectiveStep);
        Assert.Equal(new DataAttached("d", "test", new Step(9), Sample.Data("x"), true), Process(state, Attach(at: 9)).Event);
        foreach (IRunCommand late in (IRunCommand[])[Amend(at: 4), Attach(at: 4)])
            Assert.Equal("--at: found 4, expected 5 or later: earlier steps were granted already", Process(state, late).Answer.Message);
    }

    [Fact]
    public void A_command_overtakes_one_of_another_kind_but_none_of_its_own()
    {
        var state = Sample.Committed(3, Sample.Frozen("far", 20, 0), Sample.Amended("m0", 30, "optimizer.clip=2"), Sample.Attached("d0", 40, Sample.Data("y")));
        Assert.Contains("expected 20 or later: another freeze or thaw waits", Process(state, Freeze(at: 10)).Answer.Message, StringComparison.Ordinal);
        Assert.Contains("expected 30 or later: another amendment waits", Process(state, Amend(at: 25)).Answer.Message, StringComparison.Ordinal);
        Assert.Contains("expected 40 or later: another attachment waits", Process(state, Attach(at: 35)).Answer.Message, StringComparison.Ordinal);
        Assert.Equal(new Step(20), Process(state, Freeze(at: 20)).Answer.EffectiveStep);
    }

    [Fact]
    public void An_amendment_of_what_cannot_change_is_refused_with_the_key_and_journals_nothing()
    {
        var outcome = Process(Sample.Committed(3), Amend(sets: "model.hidden-size=128"));
        Assert.Null(outcome.Event);
        Assert.Contains("--set model.hidden-size: found a key that cannot change", outcome.Answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_amendment_is_checked_against_those_before_it()
    {
        // 60 steps in all: the warm-up of the first one leaves no room for the second.
        var state = Sample.Committed(3, Sample.Amended("m0", 6, "optimizer.schedule.warmup-steps=59"));
        Assert.True(Process(state, Amend(sets: "optimizer.schedule.type=linear")).Answer.Accepted);
        Assert.Contains("fewer than the 60 steps", Process(state, Amend(sets: "optimizer.schedule.warmup-steps=60")).Answer.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    [InlineData(99)]
    public void Layers_that_the_model_does_not_have_are_refused(int lastLayer)
    {
        var outcome = Process(Sample.Committed(3), Freeze(lastLayer: lastLayer));
        Assert.Null(outcome.Event);
        Assert.Contains($"found 0-{lastLayer}, expected 0-K with K from 0 to 2", outcome.Answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_retry_with_the_same_id_is_not_a_second_command()
    {
        var state = Sample.Committed(3);
        var first = Process(state, Freeze(at: 7));
        var again = Process(state.Apply(first.Event!), Freeze(at: 7), firstFree: 30);
        Assert.Null(again.Event);
        Assert.Equal((true, new Step(7)), (again.Answer.Accepted, again.Answer.EffectiveStep));
    }

    [Fact]
    public void Every_kind_of_command_is_idempotent()
    {
        var state = Sample.Committed(3, Sample.Frozen("z", 4, 0));
        IRunCommand[] commands = [Freeze(), Amend(), Attach(), new ThawLayers("t", "test", null), new PauseRun("p", "test"), new ResumeRun("r", "test")];
        foreach (var command in commands)
        {
            var first = Process(state, command);
            Assert.NotNull(first.Event);
            state = state.Apply(first.Event);
            Assert.Null(Process(state, command).Event);
        }
    }

    [Fact]
    public void A_thaw_of_what_is_not_frozen_changes_nothing()
    {
        var outcome = Process(Sample.Committed(3), new ThawLayers("t", "test", null));
        Assert.IsType<CommandNoted>(outcome.Event);
        Assert.True(outcome.Answer.Accepted);
    }

    [Fact]
    public void A_late_copy_of_a_command_that_changed_nothing_changes_nothing_later()
    {
        var state = Sample.Committed(3).Apply(Process(Sample.Committed(3), new PauseRun("p", "test")).Event!);
        var second = new PauseRun("p2", "test");
        state = state.Apply(Process(state, second).Event!).Apply(new RunResumed("r", "test"));
        Assert.Null(Process(state, second, firstFree: 9).Event);
        Assert.Null(state.PausedFrom);
    }

    [Fact]
    public void A_thaw_before_the_first_free_step_is_refused() =>
        Assert.False(Process(Sample.Committed(3, Sample.Frozen("z", 4, 0)), new ThawLayers("t", "test", new Step(4))).Answer.Accepted);

    [Fact]
    public void Pausing_twice_and_resuming_twice_are_harmless()
    {
        var state = Sample.Committed(3);
        var pause = Process(state, new PauseRun("p", "test"));
        Assert.Equal(new RunPaused("p", "test", new Step(5)), pause.Event);
        state = state.Apply(pause.Event!);
        var second = Process(state, new PauseRun("p2", "test"), firstFree: 9);
        Assert.Equal(state.PausedFrom, state.Apply(second.Event!).PausedFrom);
        Assert.Equal(new Step(5), second.Answer.EffectiveStep);
        state = state.Apply(Process(state, new ResumeRun("r", "test")).Event!);
        var idle = Process(state, new ResumeRun("r2", "test"));
        Assert.Null(state.Apply(idle.Event!).PausedFrom);
        Assert.True(idle.Answer.Accepted);
    }

    [Fact]
    public void A_command_of_an_unknown_kind_is_refused_by_name()
    {
        var outcome = Process(Sample.Committed(3), new Unknown("u", "test"));
        Assert.False(outcome.Answer.Accepted);
        Assert.Contains(nameof(Unknown), outcome.Answer.Message, StringComparison.Ordinal);
    }
}
