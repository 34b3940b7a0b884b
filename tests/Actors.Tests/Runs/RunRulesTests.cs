using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class RunRulesTests
{
    private const int Layers = 3;

    private sealed record Unknown(string CommandId, string Sender) : IRunCommand;

    private static CommandOutcome Process(RunState state, IRunCommand command, long firstFree = 5) =>
        RunRules.Process(state, command, new Step(firstFree), Layers);

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
        IRunCommand[] commands = [Freeze(), new ThawLayers("t", "test", null), new PauseRun("p", "test"), new ResumeRun("r", "test")];
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
