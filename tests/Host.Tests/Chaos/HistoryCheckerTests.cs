using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Chaos;

namespace ElasticTrain.Host.Tests.Chaos;

public sealed class HistoryCheckerTests
{
    private static readonly NodeId Node = new("node-1", "akka.tcp://run@127.0.0.1:4001", 1);

    private static Lineage Version(long step) => new(new Step(step), Digest256.Of($"D({step})"));

    private static RunCreated Created => new(new RunId(Guid.Empty), Digest256.Of("plan"), Digest256.Of("class"), Version(0).Digest);

    private static StepCommitted Commit(long step) => new(new Step(step), 1, 1, 1, 64, false, step, Version(step).Digest);

    private static CoordinatorStarted Term(long term) => new(new Term(term), "node-1", 1);

    private static ReplicasPlaced Placed(long from, int replica) => new(Version(from), [new(new ShardId(0), new ReplicaId(replica), Node)], "test");

    private static CheckpointSealed Seal(long step) => new(Version(step), Digest256.Of($"state {step}"), step);

    private static List<(IRunEvent Event, string Writer)> Good() =>
    [
        (Created, "a"), (Term(1), "a"), (Placed(0, 1), "a"), (Commit(1), "a"), (Commit(2), "a"), (Seal(2), "a"),
        (Term(2), "b"), (Placed(2, 2), "b"), (Commit(3), "b"), (Seal(3), "b"), (new RunFinished(Version(3), Digest256.Of("state 3")), "b"),
    ];

    private static List<JournaledEvent> History(IEnumerable<(IRunEvent Event, string Writer)> events) =>
        [.. events.Select((e, i) => new JournaledEvent(i + 1, DateTime.UnixEpoch.AddSeconds(i), e.Event, e.Writer))];

    private static IReadOnlyList<string> Check(Action<List<(IRunEvent Event, string Writer)>> spoil)
    {
        var events = Good();
        spoil(events);
        return HistoryChecker.Violations(History(events));
    }

    [Fact]
    public void A_run_with_a_change_of_coordinator_is_in_order() => Assert.Empty(Check(_ => { }));

    [Fact]
    public void An_old_coordinator_that_commits_after_a_newer_one_is_found() =>
        Assert.Contains(Check(e => e.Insert(9, (Commit(4), "a"))), v => v.Contains("event 10: StepCommitted by a writer that has not taken a term", StringComparison.Ordinal));

    [Fact]
    public void A_writer_without_a_term_is_found() =>
        Assert.Contains(Check(e => e[8] = (Commit(3), "c")), v => v.Contains("has not taken a term", StringComparison.Ordinal));

    [Fact]
    public void A_term_that_does_not_grow_is_found() => Assert.Equal(["event 7: term 1 after term 1"], Check(e => e[6] = (Term(1), "b")));

    [Fact]
    public void A_step_committed_twice_or_left_out_is_found()
    {
        Assert.Contains(Check(e => e.Insert(5, (Commit(2), "a"))), v => v.Contains("step 2 is committed after step 2", StringComparison.Ordinal));
        Assert.Contains(Check(e => e.RemoveAt(4)), v => v.Contains("step 3 is committed after step 1", StringComparison.Ordinal));
    }

    [Fact]
    public void A_seal_or_a_start_from_what_is_not_committed_is_found()
    {
        Assert.Contains(Check(e => e.Insert(4, (Seal(2), "a"))), v => v.StartsWith("event 5: a checkpoint of 2:", StringComparison.Ordinal));
        Assert.Contains(Check(e => e[7] = (Placed(5, 2), "b")), v => v.Contains("replicas start from 5:", StringComparison.Ordinal));
    }

    [Fact]
    public void A_start_from_a_checkpoint_that_is_not_sealed_is_found() =>
        Assert.Contains(Check(e => e[7] = (Placed(1, 2), "b")), v => v.StartsWith("event 8: replicas start from 1:", StringComparison.Ordinal) && v.EndsWith("which is not sealed", StringComparison.Ordinal));

    [Fact]
    public void A_start_from_a_checkpoint_that_a_divergence_has_made_doubtful_is_found()
    {
        var diverged = new ReplicaDiverged(new ShardId(0), Version(2), []);
        Assert.Contains(Check(e => e.Insert(7, (diverged, "b"))), v => v.StartsWith("event 9: replicas start from 2:", StringComparison.Ordinal));
    }

    [Fact]
    public void Two_seals_of_one_version_with_other_states_are_found() =>
        Assert.Contains(Check(e => e.Insert(6, (Seal(2) with { State = Digest256.Of("other") }, "a"))), v => v.StartsWith("event 7: the state of 2:", StringComparison.Ordinal));

    [Fact]
    public void A_start_from_a_spoiled_checkpoint_is_found_unless_it_was_written_anew()
    {
        var after = History(Good()).Skip(6).ToList();
        Assert.StartsWith("event 8: replicas start from 2:", HistoryChecker.SpoiledStart(after, Version(2))!, StringComparison.Ordinal);
        Assert.Null(HistoryChecker.SpoiledStart(after, Version(1)));
        Assert.Null(HistoryChecker.SpoiledStart(History(Good()).Skip(5), Version(2)));
    }

    [Fact]
    public void Replayed_steps_are_those_between_the_checkpoint_and_the_last_commit()
    {
        Assert.Equal(0, HistoryChecker.Replayed(History(Good())));
        var events = Good();
        events.Insert(9, (Placed(2, 3), "b"));
        Assert.Equal(1, HistoryChecker.Replayed(History(events)));
    }

    [Fact]
    public void A_standstill_is_the_longest_time_between_steps_while_a_fault_lasts()
    {
        var history = History(Good()); // steps 1, 2 and 3 are written after 3, 4 and 8 seconds
        DateTime Second(double at) => DateTime.UnixEpoch.AddSeconds(at);
        Assert.Equal(TimeSpan.FromSeconds(0.5), HistoryChecker.Standstill(history, Second(2.5), Second(2.5)));
        Assert.Equal(TimeSpan.FromSeconds(4), HistoryChecker.Standstill(history, Second(2.5), Second(4.5)));
        Assert.Null(HistoryChecker.Standstill(history, Second(9), Second(10)));
    }

    [Fact]
    public void Other_tokens_in_a_step_are_found_whatever_its_digest_says()
    {
        var reference = Good().Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event));
        var fewer = Good();
        fewer[4] = (Commit(2) with { Tokens = 63 }, "a");
        Assert.StartsWith("step 2:", HistoryChecker.Difference(reference, fewer.Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event)))!, StringComparison.Ordinal);
    }

    [Fact]
    public void A_digest_of_another_step_and_a_count_of_updates_that_jumps_are_found()
    {
        Assert.Contains(Check(e => e[4] = (Commit(2) with { Digest = Version(1).Digest }, "a")), v => v.Contains("is that of another step", StringComparison.Ordinal));
        Assert.Contains(Check(e => e[4] = (Commit(2) with { Skipped = true }, "a")), v => v.Contains("is update 2 after update 1", StringComparison.Ordinal));
    }

    [Fact]
    public void A_replica_number_used_twice_is_found() =>
        Assert.Equal(["event 8: replica number r1 is used again"], Check(e => e[7] = (Placed(2, 1), "b")));

    [Fact]
    public void A_missing_event_and_a_halt_are_found()
    {
        var history = History(Good());
        history.RemoveAt(2);
        Assert.Contains("event 4: number 3 is missing", HistoryChecker.Violations(history));
        Assert.Contains(Check(e => e.Add((new RunHalted(new Step(4), "bits differ"), "b"))), v => v.Contains("halted at step 4: bits differ", StringComparison.Ordinal));
    }

    [Fact]
    public void The_first_step_that_differs_from_the_reference_is_named()
    {
        var reference = Good().Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event));
        Assert.Null(HistoryChecker.Difference(reference, reference));
        var flipped = Good();
        flipped[4] = (Commit(2) with { LossBits = 3 }, "a");
        Assert.StartsWith("step 2:", HistoryChecker.Difference(reference, flipped.Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event)))!, StringComparison.Ordinal);
        var shorter = Good()[..8].Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event));
        Assert.Equal("2 steps, the reference has 3", HistoryChecker.Difference(reference, shorter));
        var otherState = Good();
        otherState[9] = (Seal(3) with { State = Digest256.Of("other") }, "b");
        Assert.StartsWith("final state", HistoryChecker.Difference(reference, otherState.Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event)))!, StringComparison.Ordinal);
    }
}
