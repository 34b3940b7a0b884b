using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class RunStateTests
{
    private sealed record Unknown : IRunEvent;

    [Fact]
    public void Commits_make_the_history()
    {
        var state = Sample.Committed(3);
        Assert.Equal(Sample.Version(3), state.CommittedVersion);
        Assert.Equal(Sample.Version(0), state.VersionAt(Step.Zero));
        Assert.Equal(Sample.Version(2), state.VersionAt(new Step(2)));
        Assert.Null(state.VersionAt(new Step(4)));
        Assert.Equal(Sample.Commit(1), state.CommitOf(new Step(1)));
        Assert.Null(state.CommitOf(Step.Zero));
        Assert.Null(state.CommitOf(new Step(4)));
    }

    [Fact]
    public void Before_the_first_commit_the_version_is_the_initial_one() =>
        Assert.Equal(Sample.Version(0), Sample.State(Sample.Created).CommittedVersion);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void A_commit_out_of_order_or_twice_is_no_journal_of_this_run(long step)
    {
        var error = Assert.Throws<ElasticTrainException>(() => Sample.Committed(3).Apply(Sample.Commit(step)));
        Assert.Contains($"commits step {step} after step 3", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_event_of_a_later_version_is_refused_by_name() =>
        Assert.Contains(nameof(Unknown), Assert.Throws<ElasticTrainException>(() => RunState.Empty.Apply(new Unknown())).Message, StringComparison.Ordinal);

    [Fact]
    public void Terms_seals_and_placements_are_remembered_and_replica_numbers_only_grow()
    {
        var later = new ReplicasPlaced(Sample.Version(0), [new(new ShardId(0), new ReplicaId(7), Sample.Node(1)), new(new ShardId(1), new ReplicaId(8), Sample.Node(2))], "first");
        var earlier = later with { Placements = [new(new ShardId(0), new ReplicaId(3), Sample.Node(1))] };
        var seal = new CheckpointSealed(Sample.Version(2), Digest256.Of("state"), 2);
        var state = Sample.Committed(2, new CoordinatorStarted(new Term(5), "node-2", 9), later, earlier, seal, new CheckpointFailed(new Step(2), "disk full"));
        Assert.Equal(new Term(5), state.Coordinator!.Term);
        Assert.Same(earlier, state.Placed);
        Assert.Equal(8, state.LastReplica);
        Assert.Equal(seal, Assert.Single(state.Seals));
    }

    [Fact]
    public void A_freeze_holds_from_its_step_on_until_the_thaw()
    {
        var state = Sample.Committed(3, Sample.Frozen("a", 5, 1), new LayersThawed("b", "test", new Step(8)), Sample.Frozen("c", 8, 0, drop: true));
        Assert.Equal([0, 2, 2, 1, 1], new long[] { 4, 5, 7, 8, 100 }.Select(s => state.FrozenPrefixAt(new Step(s))));
        Assert.Equal(["freeze 0-1 moments=keep"], state.EffectiveAt(new Step(5)).Select(e => e.Content));
        Assert.Equal(["thaw", "freeze 0-0 moments=drop"], state.EffectiveAt(new Step(8)).Select(e => e.Content));
        Assert.Empty(state.EffectiveAt(new Step(6)));
        Assert.Equal(new Step(5), state.Answers["a"].EffectiveStep);
    }

    [Fact]
    public void An_amendment_holds_from_its_step_on_over_those_before_it()
    {
        var plan = Plans.Given.Plan();
        var state = Sample.Committed(3, Sample.Amended("a", 5, "optimizer.clip=0.5"), Sample.Amended("b", 8, "optimizer.learning-rate=0.001"), Sample.Amended("c", 8, "optimizer.clip=2"));
        Assert.Equal([1, 0.5, 0.5, 2, 2], new long[] { 4, 5, 7, 8, 100 }.Select(s => state.PlanAt(plan, new Step(s)).Optimizer.Clip));
        Assert.Equal([3e-3, 1e-3], new long[] { 7, 8 }.Select(s => state.PlanAt(plan, new Step(s)).Optimizer.LearningRate));
        Assert.Equal(["amend optimizer.learning-rate=0.001", "amend optimizer.clip=2"], state.EffectiveAt(new Step(8)).Select(e => e.Content));
        Assert.Equal(new Step(8), state.Answers["c"].EffectiveStep);
    }

    [Fact]
    public void Attached_data_hold_from_their_step_on_beside_or_in_place_of_those_before_them()
    {
        var own = new DataSource(default, null);
        var (x, y, z) = (Sample.Data("x"), Sample.Data("y"), Sample.Data("z"));
        var state = Sample.Committed(3, Sample.Attached("a", 5, x), Sample.Attached("b", 8, y, replace: true), Sample.Attached("c", 9, z));
        Assert.Null(state.DataAt(new Step(4)));
        Assert.Equal(new StepData(new Step(5), [own, x]), state.DataAt(new Step(7)));
        Assert.Equal(new StepData(new Step(8), [y]), state.DataAt(new Step(8)));
        Assert.Equal(new StepData(new Step(9), [y, z]), state.DataAt(new Step(100)));
        Assert.Equal([$"attach {y.Content} replace"], state.EffectiveAt(new Step(8)).Select(e => e.Content));
    }

    [Fact]
    public void Where_data_are_is_not_part_of_a_history_but_what_is_in_them_is()
    {
        static string Content(DataSource data) => Sample.Committed(3, Sample.Attached("a", 5, data)).EffectiveAt(new Step(5))[0].Content;
        Assert.Equal(Content(Sample.Data("x")), Content(Sample.Data("x") with { Path = "/elsewhere" }));
        Assert.NotEqual(Content(Sample.Data("x")), Content(Sample.Data("y")));
    }

    [Fact]
    public void What_takes_effect_in_one_step_enters_its_history_whatever_kind_came_first()
    {
        IRunEvent[] commands = [Sample.Frozen("a", 5, 0), Sample.Amended("b", 5, "optimizer.clip=2"), Sample.Attached("c", 5, Sample.Data("x"))];
        Assert.Equal(3, Sample.Committed(3, commands).EffectiveAt(new Step(5)).Count);
        Assert.Equal(
            Sample.Committed(3, commands).EffectiveAt(new Step(5)).Select(c => c.Content), Sample.Committed(3, [.. commands.Reverse()]).EffectiveAt(new Step(5)).Select(c => c.Content));
    }

    [Fact]
    public void A_pause_holds_until_the_resume()
    {
        var paused = Sample.Committed(3, new RunPaused("p", "test", new Step(5)));
        Assert.Equal(new Step(5), paused.PausedFrom);
        Assert.Null(paused.Apply(new RunResumed("r", "test")).PausedFrom);
        Assert.True(paused.Apply(new RunResumed("r", "test")).Answers.ContainsKey("r"));
    }

    [Fact]
    public void A_finished_run_that_goes_on_is_not_finished_any_more()
    {
        var finished = Sample.Committed(3, new RunFinished(Sample.Version(3), Digest256.Of("state")));
        Assert.NotNull(finished.Finished);
        Assert.Null(finished.Apply(Sample.Commit(4)).Finished);
    }

    [Fact]
    public void A_new_term_tries_again_what_an_earlier_one_halted_at()
    {
        var halted = Sample.Committed(3, new RunHalted(new Step(4), "bits differ"));
        Assert.Equal("bits differ", halted.Halted!.Reason);
        Assert.Null(halted.Apply(new CoordinatorStarted(new Term(2), "node-1", 1)).Halted);
    }

    [Fact]
    public void A_snapshot_holds_the_whole_state()
    {
        var state = Sample.Committed(
            4, new ReplicasPlaced(Sample.Version(0), [new(new ShardId(0), new ReplicaId(7), Sample.Node(1))], "first"),
            new CheckpointSealed(Sample.Version(2), Digest256.Of("state"), 2), Sample.Frozen("a", 6, 1, drop: true), Sample.Amended("b", 6, "optimizer.clip=2"), Sample.Attached("c", 7, Sample.Data("x"), replace: true), new RunPaused("p", "test", new Step(7)),
            new RunFinished(Sample.Version(4), Digest256.Of("state")), new RunHalted(new Step(5), "why"));
        // Through bytes, as the snapshot store does it.
        byte[] bytes = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(RunSnapshot.Of(state), Actors.Serialization.JsonFormat.Options);
        var read = System.Text.Json.JsonSerializer.Deserialize<RunSnapshot>(bytes, Actors.Serialization.JsonFormat.Options)!.ToState();
        Serialization.Same.Require(state, read);
    }
}
