using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class TrainingRunTests(TestRun run) : RunUnderTest(run, "elastic { suspect-after = 200ms }\ncheckpoint { every = 3, keep = 1 }")
{
    private static readonly Term First = new(1), Second = new(2);

    private Lineage Initial => new(Core.Step.Zero, Node.Definition.InitialLineage(Node.NumericsClass));

    private List<ReplicaReport> PromiseAll(IReadOnlyList<StartReplica> starts, Term term) => [.. starts.Select(start =>
    {
        Shards[start.Shard.Value].FishForMessage<PromiseTerm>(m => m.Term == term, Deadline);
        return new ReplicaReport(start.Shard, start.Replica, term, Initial, null);
    })];

    private void Report(IActorRef coordinator, IEnumerable<ReplicaReport> reports)
    {
        foreach (var report in reports) coordinator.Tell(report, Shards[report.Shard.Value]);
    }

    [Fact]
    public void A_step_is_committed_when_all_ranks_and_all_shards_are_done()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        var first = Step(coordinator, starts, Initial);
        Written<StepCommitted>(e => e == first.Decision);
        var second = Step(coordinator, starts, first.Output);
        Written<StepCommitted>(e => e == second.Decision);
        Assert.Equal(first.Output, second.Input);
    }

    [Fact]
    public void The_next_step_is_not_decided_before_the_last_commit_is_durable()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        Journal.Hold(e => e is StepCommitted);
        var first = Step(coordinator, starts, Initial);
        // Step 2 computes meanwhile, but nobody is told to apply it.
        Compute(coordinator, 2);
        SealAll(coordinator, starts, first.Output);
        Status(coordinator);
        Assert.DoesNotContain(Shards.Where(s => s.HasMessages).Select(s => s.ExpectMsg<object>()), m => m is ApplyStep { Output.Step.Value: 2 });
        Journal.Release();
        Assert.Equal(first.Output, ExpectApply(starts[0], 2).Input);
    }

    [Fact]
    public void A_successor_finishes_the_step_that_half_of_the_shards_have_applied()
    {
        var old = Coordinator();
        var starts = PlaceReplicas(old);
        var first = Step(old, starts, Initial);
        Written<StepCommitted>(e => e.Step.Value == 1);
        // The commit of step 2 is lost with its coordinator.
        Journal.Fail(e => e is StepCommitted);
        Compute(old, 2);
        SealAll(old, starts, first.Output);
        var second = ExpectApply(starts[0], 2);
        ExpectTerminated(old, Deadline);
        Assert.Contains("database is locked", Notes.JournalProblem, StringComparison.Ordinal);

        Journal.Fail(_ => false);
        var successor = Coordinator();
        successor.Tell(Hello(Held(starts, Shards, first.Output)), Agent);
        Report(successor, PromiseAll(starts, Second).Select(r =>
            r.Shard.Value % 2 == 0 ? r with { Applied = second.Output, Decision = second } : r with { Applied = first.Output, Decision = first, Seal = Seal(starts[r.Shard.Value], first.Output) }));
        foreach (var start in starts.Where(s => s.Shard.Value % 2 == 1))
        {
            // The same decision under the new term.
            Assert.Equal(second with { Term = Second }, ExpectApply(start, 2, Second) with { TokensPerExpert = second.TokensPerExpert });
        }
        Written<StepCommitted>(e => e == second.Decision);
        Assert.All(starts.Where(s => s.Shard.Value % 2 == 0), s => Assert.False(Shards[s.Shard.Value].HasMessages));
        Compute(successor, 3);
        Assert.Equal("running", Status(successor).State);
    }

    [Fact]
    public void A_successor_whose_replicas_are_at_no_common_point_starts_them_anew()
    {
        var old = Coordinator();
        var starts = PlaceReplicas(old);
        var first = Step(old, starts, Initial);
        Written<StepCommitted>(e => e.Step.Value == 1);
        Stop(old);
        var successor = Coordinator();
        successor.Tell(Hello(Held(starts, Shards, first.Output)), Agent);
        var foreign = new Lineage(new Step(1), Digest256.Of("another history"));
        Report(successor, PromiseAll(starts, Second).Select(r => r with { Applied = r.Shard.Value == 0 ? foreign : first.Output }));
        var again = PlaceReplicas(successor);
        Assert.All(again, s => Assert.True(s.Replica.Value > starts.Max(old => old.Replica.Value)));
        Assert.All(again, s => Assert.Equal(Initial, s.Source.Version));
    }

    [Fact]
    public void A_replay_that_gives_other_bits_halts_and_names_the_step()
    {
        var old = Coordinator();
        Step(old, PlaceReplicas(old), Initial);
        Written<StepCommitted>(e => e.Step.Value == 1);
        Stop(old);
        var successor = Coordinator();
        var starts = PlaceReplicas(successor);
        Compute(successor, 1);
        SealAll(successor, starts, Initial, salt: 1);
        var ended = Agent.FishForMessage<RunEnded>(_ => true, Deadline);
        Assert.Equal(1, ended.ExitCode);
        Assert.Contains("replaying step 1 gave", ended.Message, StringComparison.Ordinal);
        Written<RunHalted>(e => e.Step.Value == 1);
    }

    [Fact]
    public void A_freeze_during_a_replay_never_takes_effect_at_a_committed_step()
    {
        var old = Coordinator();
        var starts = PlaceReplicas(old);
        var first = Step(old, starts, Initial);
        var second = Step(old, starts, first.Output);
        var third = Step(old, starts, second.Output);
        Written<StepCommitted>(e => e.Step.Value == 3);
        Stop(old);
        // The replicas had been started anew and had replayed step 1 only.
        var successor = Coordinator();
        successor.Tell(Hello(Held(starts, Shards, first.Output)), Agent);
        Report(successor, PromiseAll(starts, Second).Select(r => r with { Applied = first.Output, Decision = first }));
        Compute(successor, 2);
        successor.Tell(new FreezeLayers("f", "test", 1, null, false), Client);
        var answer = Client.ExpectMsg<CommandAnswer>(Deadline);
        Assert.True(answer.Accepted);
        Assert.True(answer.EffectiveStep!.Value > third.Output.Step, $"effective at {answer.EffectiveStep}, committed up to {third.Output.Step}");
    }

    [Fact]
    public void A_coordinator_that_hears_of_a_higher_term_ends_and_its_node_goes_on()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        Compute(coordinator, 1);
        Agent.FishForMessage<WorkerWelcome>(_ => true, Deadline);
        coordinator.Tell(new ReplicaRefusal(starts[0].Shard, starts[0].Replica, new Term(9), Initial, "term 1 is over"), Shards[0]);
        ExpectTerminated(coordinator, Deadline);
        Assert.False(Node.Ended.Task.IsCompleted);
        Assert.False(Agent.HasMessages);
        Assert.DoesNotContain(Journal.Attempted, e => e is StepCommitted);
    }

    [Fact]
    public void Each_coordinator_takes_a_higher_term()
    {
        Stop(Coordinator().Also(c => Status(c)));
        Written<CoordinatorStarted>(e => e.Term == First);
        Stop(Coordinator().Also(c => Status(c)));
        Written<CoordinatorStarted>(e => e.Term == Second);
        Assert.Equal([1, 2], Journal.Written.OfType<CoordinatorStarted>().Select(e => e.Term.Value));
    }

    [Fact]
    public void Results_of_an_old_term_and_seals_of_an_old_replica_do_not_count()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        coordinator.Tell(new RanksCompleted(new Term(0), 1, Initial, new RankRange(0, Node.VirtualRanks), [.. Enumerable.Repeat(new RankOutcome(9, 9, []), Node.VirtualRanks)]), Devices[0]);
        SealAll(coordinator, starts.Select(s => s with { Replica = new ReplicaId(s.Replica.Value + 1000) }), Initial);
        Compute(coordinator, 1);
        Status(coordinator);
        Assert.DoesNotContain(Journal.Attempted, e => e is StepCommitted);
        SealAll(coordinator, starts, Initial);
        Assert.Equal(1, ExpectApply(starts[0], 1).Output.Step.Value);
    }

    [Fact]
    public void An_apply_that_was_lost_is_said_again_though_an_old_replica_confirmed()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        Compute(coordinator, 1);
        SealAll(coordinator, starts, Initial);
        var apply = ExpectApply(starts[0], 1);
        coordinator.Tell(new StepApplied(starts[0].Shard, new ReplicaId(starts[0].Replica.Value + 1000), apply.Output, 0), Shards[0]);
        Assert.Equal(apply, ExpectApply(starts[0], 1));
    }

    [Fact]
    public void The_ranks_of_a_device_that_never_answers_are_given_to_an_idle_one()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        var hung = Devices[0].ExpectMsg<GrantRanks>(Deadline);
        Assert.True(hung.Ranks.Count < Node.VirtualRanks);
        // It is nudged, and stays silent; the other one computes its ranks as well.
        Compute(coordinator, 1, Devices[1]);
        SealAll(coordinator, starts, Initial);
        Assert.Equal(1, ExpectApply(starts[0], 1).Output.Step.Value);
        // A late answer changes nothing.
        coordinator.Tell(Completed(hung), Devices[0]);
        Assert.Equal("running", Status(coordinator).State);
    }

    [Fact]
    public void A_replica_that_its_node_no_longer_names_is_noticed()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        Compute(coordinator, 1);
        var held = Held(starts, Shards, Initial);
        for (int i = 0; i < 20; i++) coordinator.Tell(Hello(held), Agent);
        Status(coordinator);
        Assert.Single(Journal.Attempted.OfType<ReplicasPlaced>());
        for (int i = 0; i < 20; i++) coordinator.Tell(Hello(held[1..]), Agent);
        Written<ReplicasPlaced>(e => e.Reason.Contains($"no longer holds {starts[0].Shard}", StringComparison.Ordinal));
    }

    [Fact]
    public void A_node_that_refuses_connections_has_lost_its_replicas_and_is_heard_when_it_speaks_later()
    {
        var run = Coordinator();
        var first = PlaceReplicas(run);
        run.Tell(new NodeGone(Id));
        // What it says at once are its last words; later it counts again, once there is a connection.
        AwaitAssert(() =>
        {
            run.Tell(Hello(), Agent);
            run.Tell(new LinkUp(Id), Agent);
            Assert.True(Region.HasMessages);
        }, Deadline);
        var second = PlaceReplicas(run);
        Assert.Empty(first.Select(s => s.Replica).Intersect(second.Select(s => s.Replica)));
        Assert.Contains(Notes.All(), n => n.Text == "node-1 is gone");
        Compute(run, 1);
    }

    [Fact]
    public void A_checkpoint_is_sealed_after_its_commit_however_early_its_blobs_are_written()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        var second = Step(coordinator, starts, Step(coordinator, starts, Initial).Output);
        Written<StepCommitted>(e => e.Step.Value == 2);
        Journal.Hold(e => e is StepCommitted);
        var third = Step(coordinator, starts, second.Output);
        foreach (var start in starts)
        {
            Shards[start.Shard.Value].FishForMessage<SnapshotReplica>(m => m.Version == third.Output, Deadline);
            coordinator.Tell(new BlobWritten(third.Output, start.Shard, Digest256.Of($"blob {start.Shard}"), 100), Storage);
        }
        var manifest = Storage.ExpectMsg<WriteManifest>(Deadline);
        coordinator.Tell(new ManifestWritten(third.Output, manifest.Manifest.StateDigest), Storage);
        Status(coordinator);
        Journal.Release();
        Written<CheckpointSealed>(e => e.Version == third.Output && e.State == manifest.Manifest.StateDigest);
        Assert.Equal([typeof(StepCommitted), typeof(CheckpointSealed)], Journal.Written.TakeLast(2).Select(e => e.GetType()));
        Storage.ExpectMsg<CollectCheckpoints>(Deadline);
    }

    [Fact]
    public void Ctrl_C_seals_the_state_and_ends_with_130()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        var first = Step(coordinator, starts, Initial);
        coordinator.Tell(new StopRun("Ctrl-C"), Client);
        foreach (var start in starts)
        {
            Shards[start.Shard.Value].FishForMessage<SnapshotReplica>(m => m.Version == first.Output, Deadline);
            coordinator.Tell(new BlobWritten(first.Output, start.Shard, Digest256.Of($"blob {start.Shard}"), 100), Storage);
        }
        coordinator.Tell(new ManifestWritten(first.Output, Storage.ExpectMsg<WriteManifest>(Deadline).Manifest.StateDigest), Storage);
        Assert.Equal(130, Agent.FishForMessage<RunEnded>(_ => true, Deadline).ExitCode);
        Assert.IsType<CheckpointSealed>(Journal.Written[^1]);
    }

    [Fact]
    public void Ctrl_C_before_any_worker_is_there_ends_at_once_and_stays_ended()
    {
        var coordinator = Coordinator();
        Status(coordinator);
        coordinator.Tell(new StopRun("Ctrl-C"), Client);
        coordinator.Tell(Hello(), Agent);
        Assert.Equal(130, Agent.FishForMessage<RunEnded>(_ => true, Deadline).ExitCode);
        Assert.Equal("finished", Status(coordinator).State);
        Assert.False(Region.HasMessages);
    }

    [Fact]
    public void A_pause_holds_the_steps_and_a_resume_lets_them_go_on()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        coordinator.Tell(new PauseRun("p", "test"), Client);
        Assert.Equal(new Step(2), Client.ExpectMsg<CommandAnswer>(Deadline).EffectiveStep);
        var first = Step(coordinator, starts, Initial);
        Written<StepCommitted>(e => e.Step.Value == 1);
        Assert.Equal("paused", Status(coordinator).State);
        coordinator.Tell(new ResumeRun("r", "test"), Client);
        Assert.True(Client.ExpectMsg<CommandAnswer>(Deadline).Accepted);
        Step(coordinator, starts, first.Output);
    }

    [Theory]
    [InlineData("run id")]
    [InlineData("protocol version")]
    [InlineData("plan hash")]
    [InlineData("numerics class")]
    public void A_node_that_does_not_belong_is_refused_with_the_reason(string what)
    {
        var coordinator = Coordinator();
        Status(coordinator);
        coordinator.Tell(what switch
        {
            "run id" => Hello() with { Run = new RunId(Guid.NewGuid()) },
            "protocol version" => Hello() with { ProtocolVersion = 99 },
            "plan hash" => Hello() with { PlanHash = Digest256.Of("another plan") },
            _ => Hello() with { NumericsClass = Digest256.Of("another class") },
        }, Agent);
        Assert.Contains(what, Agent.FishForMessage<WorkerRefused>(_ => true, Deadline).Reason, StringComparison.Ordinal);
        Assert.Empty(Status(coordinator).Workers);
    }

    [Fact]
    public void A_node_that_is_no_member_of_the_cluster_is_not_counted()
    {
        var coordinator = Coordinator();
        Status(coordinator);
        coordinator.Tell(Hello() with { Node = Id with { Uid = Id.Uid + 1 } }, Agent);
        Assert.Empty(Status(coordinator).Workers);
    }

    [Fact]
    public async Task An_empty_journal_of_a_run_that_has_journaled_before_is_refused()
    {
        Node.Definition.MarkJournaled();
        var coordinator = Coordinator();
        var ended = await Node.Ended.Task.WaitAsync(Deadline);
        Assert.Equal(RunEnded.Refused, ended.ExitCode);
        Assert.Contains("the journal is empty", ended.Message, StringComparison.Ordinal);
        Status(coordinator);
        Assert.Empty(Journal.Attempted);
    }
}

internal static class Fluent
{
    internal static T Also<T>(this T value, Action<T> action)
    {
        action(value);
        return value;
    }
}
