using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Serialization;

/// <summary>At least one of every message that may travel, with every member set to something that shows when it is lost.</summary>
internal sealed class SampleMessages(IActorRef actor)
{
    private static readonly ShardId Shard = new(3);
    private static readonly ReplicaId Replica = new(17);
    private static readonly Term Term = new(5);
    private static readonly Step At = new(12);
    private static readonly CommandAnswer Answer = new(true, "done \"so\" \u00e9", At);

    private static readonly ReplicasPlaced Placed = new(
        Sample.Version(4), [new(new ShardId(0), new ReplicaId(9), Sample.Node(1)), new(Shard, Replica, Sample.Node(2))], "a node was lost");

    private static readonly ReplicaPlacement Placement = new(Shard, Replica, Sample.Node(2));

    private static readonly CheckpointSealed Seal = new(Sample.Version(4), Digest256.Of("state"), 3);

    private static readonly ApplyStep Apply = new(
        Term, Sample.Version(4), Sample.Version(5), Sample.Commit(5) with { Skipped = true, GradientNorm = float.NaN }, -0.0f, float.Epsilon, 0.9999999f, 2, true, [0, 5, long.MaxValue])
    { WeightDecay = 0.1f, Attempt = new Attempt(7) };

    private static readonly DataSource Attached = new(Digest256.Of("data"), "attached/0123");

    private static readonly ShardRoute Route = new(Shard, Replica, "127.0.0.1:5000");

    internal IReadOnlyList<object> All =>
    [
        Sample.Created,
        new CoordinatorStarted(Term, "node-2", 4711),
        Placed,
        new ReplicaRecruited(Placement, new ReplicaId(3), "1 of 2 replicas are there"),
        new ReplicaJoined(Placement, Sample.Version(4)),
        new ReplicasRemoved([Placement, Placement with { Replica = new ReplicaId(99) }], "node-2 is gone"),
        new ReplicaDiverged(Shard, Sample.Version(4), [new ReplicaFinding(Placement, UInt128.MaxValue, null), new ReplicaFinding(Placement, 1, ulong.MaxValue)]),
        new DivergenceResolved(Shard, Sample.Version(4), [Placement]),
        new CorruptionSuspected(
            Sample.Version(4), new Attempt(5L << 40 | 3), new RankId(6), 2, new DeviceId("node-2", "device-1"), [new TensorFinding(Shard, "model.embed_tokens.weight", ulong.MaxValue, 1), new TensorFinding(null, "losses", 2, 3)], 9)
        { IsUndecided = true },
        new StepRestarted(Sample.Version(4), new Attempt(17), "computed with other bits"),
        Sample.Commit(7) with { Skipped = true, LearningRate = 1.17549421e-38f },
        Seal,
        new CheckpointFailed(At, "no space left on device"),
        Sample.Frozen("a", 6, 1, drop: true),
        new NodeDraining("d", "someone", Sample.Node(2), true),
        new DrainNode("d", "someone", "node-2", true),
        new NodeDrained(Term, true),
        new LayersThawed("b", "someone", At),
        new PlanAmended("e", "someone", At, [new PlanSetting("optimizer.clip", "0.5")]),
        new DataAttached("f", "someone", At, Attached, true),
        new RunPaused("c", "someone", At),
        new RunResumed("d", "someone"),
        new CommandNoted("e", "someone", "nothing is frozen", null),
        new RunFinished(Sample.Version(9), Digest256.Of("state")),
        new RunHalted(At, "bits differ"),
        new RunSnapshot(
            Sample.Created, new CoordinatorStarted(Term, "node-2", 4711), Placed, 17, [Sample.Commit(1), Sample.Commit(2)], [Seal], [new FreezeEntry(At, 3, true)],
            new Dictionary<string, CommandAnswer> { ["a"] = Answer }, At, new RunFinished(Sample.Version(2), Digest256.Of("s")), new RunHalted(At, "why"))
        {
            Amendments = [new AmendmentEntry(At, [new PlanSetting("optimizer.clip", "0.5")])],
            Attachments = [new AttachmentEntry(At, Attached, true)],
        },
        new RunSnapshot(null, null, null, 0, [], [], [], new Dictionary<string, CommandAnswer>(), null, null, null),
        new FreezeLayers("a", "someone", 2, At, true),
        new FreezeLayers("a", "someone", 2, null, false),
        new ThawLayers("b", "someone", At),
        new AmendPlan("e", "someone", [new PlanSetting("optimizer.clip", "0.5")], At),
        new AttachData("f", "someone", Attached, true, null),
        new PauseRun("c", "someone"),
        new ResumeRun("d", "someone"),
        Answer,
        new StopRun("Ctrl-C"),
        new GetStatus(),
        new RunStatus(
            "running", "step 5", 5, 60, [new WorkerStatus("node-1", 99, 2)], "node-1", 99, 3, [new ShardStatus("s000", 4, "node-1", 12345)], 2, 5.5f, 1e-3f,
            float.PositiveInfinity, 123.456, 4, [new NumberedNote(7, "note")]) { Commands = ["amended"] },
        new WorkerHello(
            Sample.Node(1), 99, Sample.Run, 1, Digest256.Of("plan"), Digest256.Of("class"), "127.0.0.1:5000", actor, [actor, actor],
            [new HeldReplica(Shard, Replica, Sample.Version(4), actor)]),
        new WorkerWelcome(Term, actor),
        new CoordinatorHeartbeat(Term, Sample.Node(2), actor, "127.0.0.1:5000"),
        new CoordinatorResigned(Term, Sample.Node(2)),
        new WorkerRefused("plan hash: found a, expected b"),
        new RunEnded(130, "stopped"),
        new GrantRanks(Term, 44, Sample.Version(4), new RankRange(4, 8), 2, [Route, Route with { DataPlane = "[::1]:6000", IsObserver = true }]) { Data = new StepData(At, [new DataSource(Digest256.Of("own"), null), Attached]), Attempt = new Attempt(5L << 40 | 1), Audited = [5, 7], IsAudit = true },
        new GrantRanks(Term, 45, Sample.Version(4), new RankRange(4, 8), 0, []) { RoutesOf = 44 },
        new RanksCompleted(Term, 44, Sample.Version(4), new RankRange(4, 6), [new RankOutcome(double.NaN, 64, [1, 2]), new RankOutcome(-0.0, 0, [0, 0])]) { Missed = [new ReplicaId(7)], Attempt = new Attempt(9), IsAudit = true, Checksums = [new RankChecksums(5, [ulong.MaxValue, 0])] },
        new RanksFailed(Term, 44, "refused", true) { Attempt = new Attempt(9), IsMismatch = true },
        new StartReplica(Term, Sample.Run, Shard, Replica, new ReplicaSource(Sample.Version(4), Digest256.Of("blob"), 4096), actor),
        new StartReplica(Term, Sample.Run, Shard, Replica, new ReplicaSource(Sample.Version(0), null, 0), actor),
        new StartReplica(
            Term, Sample.Run, Shard, Replica, new ReplicaSource(default, null, 0) { Sibling = new SiblingSource(new ReplicaId(3), "127.0.0.1:5000", actor) }, actor),
        new AdmitReplica(Term),
        new FollowStep(Shard, Replica, Sample.Version(4)),
        new SiblingStep(Shard, Replica, Apply),
        new ReplicaReady(Shard, Replica, Sample.Version(4), actor),
        new ReplicaFailed(Shard, Replica, "blob does not match"),
        new PromiseTerm(Term),
        new ReplicaReport(Shard, Replica, Term, Sample.Version(5), Apply),
        new ReplicaReport(Shard, Replica, Term, Sample.Version(0), null) { Seal = new GradientSealed(Shard, Replica, Sample.Version(0), 1, true, 2) },
        new GradientSealed(Shard, Replica, Sample.Version(4), double.Epsilon, true, UInt128.MaxValue - 1) { StateChecksum = ulong.MaxValue, Attempt = new Attempt(long.MaxValue) },
        new ReportSeal(Term, Sample.Version(4)),
        Apply,
        new StepApplied(Shard, Replica, Sample.Version(5), ulong.MaxValue),
        new ReplicaRefusal(Shard, Replica, Term, Sample.Version(4), "term 4 is over"),
        new SnapshotReplica(Term, Sample.Version(4)),
        new StopReplica(Term),
        new BlobWritten(Sample.Version(4), Shard, Digest256.Of("blob"), 4096),
        new BlobFailed(Sample.Version(4), Shard, "disk full"),
        new ShardEnvelope("3~17@akka.tcp://elastictrain@127.0.0.1:4001#-5", new StopReplica(Term)),
    ];
}
