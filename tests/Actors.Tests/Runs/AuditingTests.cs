using Akka.Actor;
using Akka.TestKit;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

/// <summary>A coordinator that audits every rank, over one node with two devices.</summary>
/// <param name="run">The run.</param>
/// <param name="suspectAfter">How long it waits for what.</param>
public abstract class AuditingUnderTest(TestRun run, string suspectAfter) : RunUnderTest(run, $"elastic {{ audit = 1, suspect-after = {suspectAfter}, speculate = false }}")
{
    private protected readonly List<GrantRanks> _granted = [];

    private protected Lineage Initial => new(Core.Step.Zero, Node.Definition.InitialLineage(Node.NumericsClass));

    /// <summary>Answers all grants until something holds. A device's answer is right unless the test says otherwise.</summary>
    /// <param name="coordinator">The coordinator.</param>
    /// <param name="until">What is waited for.</param>
    /// <param name="spoil">Given device, grant and rank: added to the checksum.</param>
    private protected void Work(IActorRef coordinator, Action until, Func<int, GrantRanks, int, ulong>? spoil = null) => AwaitAssert(
        () =>
        {
            coordinator.Tell(Hello(Holding), Agent);
            for (int i = 0; i < Devices.Length; i++)
            {
                while (Devices[i].HasMessages)
                {
                    if (Devices[i].ExpectMsg<object>() is not GrantRanks grant) continue;
                    if (_granted.All(g => g.GrantId != grant.GrantId)) _granted.Add(grant);
                    var completed = Completed(grant);
                    int device = i;
                    coordinator.Tell(
                        completed with { Checksums = [.. completed.Checksums.Select(c => c with { Pieces = [c.Pieces[0] + (spoil?.Invoke(device, grant, c.Rank) ?? 0), .. c.Pieces.Skip(1)] })] }, Devices[i]);
                }
            }
            Status(coordinator);
            until();
        },
        Deadline, TimeSpan.FromMilliseconds(5));
}

/// <summary>What a coordinator does about what audits say.</summary>
public sealed class AuditingTests(TestRun run) : AuditingUnderTest(run, "3 s")
{
    private void HasComputed(int attempts) => Assert.True(
        _granted.Select(g => g.Attempt).Distinct().Count() >= attempts
        && _granted.Where(g => g.Attempt == _granted.Max(x => x.Attempt) && g.IsAudit).SelectMany(g => Enumerable.Range(g.Ranks.Lo, g.Ranks.Count)).Distinct().Count() == Node.VirtualRanks);

    [Fact]
    public void A_step_is_decided_once_every_audited_rank_was_computed_by_both_devices()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        Work(coordinator, () => HasComputed(1));
        Assert.All(_granted, g => Assert.Equal(Enumerable.Range(g.Ranks.Lo, g.Ranks.Count), g.Audited));
        SealAll(coordinator, starts, Initial);
        var apply = ExpectApply(starts[0], 1);
        Assert.Equal(_granted[0].Attempt, apply.Attempt);
        Assert.DoesNotContain(Journal.Written, e => e is CorruptionSuspected or StepRestarted);
    }

    [Fact]
    public void A_step_waits_for_its_audits()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        GrantRanks? audit = null;
        // Nobody answers an audit.
        AwaitAssert(
            () =>
            {
                coordinator.Tell(Hello(Holding), Agent);
                foreach (var device in Devices)
                {
                    while (device.HasMessages)
                    {
                        if (device.ExpectMsg<object>() is not GrantRanks grant) continue;
                        if (grant.IsAudit) audit = grant;
                        else coordinator.Tell(Completed(grant), device);
                    }
                }
                Assert.NotNull(audit);
            },
            Deadline, TimeSpan.FromMilliseconds(5));
        SealAll(coordinator, starts, Initial);
        Status(coordinator);
        Assert.DoesNotContain(Shards.Where(s => s.HasMessages).Select(s => s.ExpectMsg<object>()), m => m is ApplyStep);
        Work(coordinator, () => Assert.Contains(Shards.Where(s => s.HasMessages).Select(s => s.ExpectMsg<object>()), m => m is ApplyStep));
    }

    [Fact]
    public void Bits_that_are_outvoted_begin_the_step_anew_and_seals_of_the_attempt_before_do_not_count()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        // The first computation of rank 1 is wrong, whoever makes it.
        Work(coordinator, () => HasComputed(2), (_, grant, rank) => rank == 1 && !grant.IsAudit && grant.Attempt == _granted[0].Attempt ? 5UL : 0);
        Written<CorruptionSuspected>(e => e.Rank == new RankId(1) && e.Computation == 0 && e.Input == Initial && !e.IsUndecided
            && e.Device.Node == "node-1" && e.TensorCount == 1 && e.Tensors[0] == new TensorFinding(new ShardId(0), "model.embed_tokens.weight", 1, 6));
        Written<StepRestarted>(e => e.Input == Initial && e.Attempt == _granted[0].Attempt);
        foreach (var start in starts) coordinator.Tell(Seal(start, Initial) with { Attempt = _granted[0].Attempt }, Shards[start.Shard.Value]);
        Status(coordinator);
        Assert.DoesNotContain(Shards.Where(s => s.HasMessages).Select(s => s.ExpectMsg<object>()), m => m is ApplyStep);
        SealAll(coordinator, starts, Initial);
        Assert.Equal(_granted.Max(g => g.Attempt), ExpectApply(starts[0], 1).Attempt);
    }

    [Fact]
    public void An_audit_that_is_outvoted_is_named_and_the_step_goes_on()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        Work(coordinator, () =>
        {
            HasComputed(1);
            Assert.Contains(Journal.Written, e => e is CorruptionSuspected { Computation: > 0 });
        }, (_, grant, rank) => rank == 2 && grant.IsAudit && _granted.Count(g => g.IsAudit && g.Ranks.Lo == 2) == 1 ? 5UL : 0);
        SealAll(coordinator, starts, Initial);
        Assert.Equal(_granted[0].Attempt, ExpectApply(starts[0], 1).Attempt);
        Assert.DoesNotContain(Journal.Written, e => e is StepRestarted);
    }

    [Fact]
    public void A_contribution_that_a_replica_has_with_other_bits_begins_the_step_anew()
    {
        var coordinator = Coordinator();
        PlaceReplicas(coordinator);
        bool refused = false;
        AwaitAssert(
            () =>
            {
                coordinator.Tell(Hello(Holding), Agent);
                foreach (var device in Devices)
                {
                    while (device.HasMessages)
                    {
                        if (device.ExpectMsg<object>() is not GrantRanks grant) continue;
                        _granted.Add(grant);
                        if (!refused) coordinator.Tell(new RanksFailed(grant.Term, grant.GrantId, "it was there before", true) { Attempt = grant.Attempt, IsMismatch = true }, device);
                        refused = true;
                    }
                }
                Assert.Equal(2, _granted.Select(g => g.Attempt).Distinct().Count());
            },
            Deadline, TimeSpan.FromMilliseconds(5));
        // What the attempt before has to say is over.
        coordinator.Tell(new RanksFailed(_granted[0].Term, _granted[0].GrantId, "it was there before", true) { Attempt = _granted[0].Attempt, IsMismatch = true }, Devices[0]);
        Status(coordinator);
        Assert.Single(Journal.Written.OfType<StepRestarted>());
        Assert.DoesNotContain(Journal.Written, e => e is RunHalted);
    }
}

/// <summary>Nobody can tell who is right, and nobody else comes.</summary>
public sealed class UndecidedAuditTests(TestRun run) : AuditingUnderTest(run, "200 ms")
{
    [Fact]
    public void Two_devices_that_both_stand_by_what_they_say_halt_the_run()
    {
        var coordinator = Coordinator();
        var starts = PlaceReplicas(coordinator);
        Work(coordinator, () =>
        {
            SealAll(coordinator, starts, Initial);
            Assert.Contains(Journal.Written, e => e is RunHalted);
        }, (device, _, rank) => rank == 3 && device == 1 ? 5UL : 0);
        var halted = Assert.Single(Journal.Written.OfType<RunHalted>());
        Assert.Contains("rank 3 was computed 4 times", halted.Reason, StringComparison.Ordinal);
        Assert.Equal(2, Journal.Written.OfType<CorruptionSuspected>().Count(e => e.IsUndecided && e.Rank.Value == 3));
    }
}
