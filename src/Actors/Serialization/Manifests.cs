using System.Collections.Frozen;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;

namespace ElasticTrain.Actors.Serialization;

/// <summary>The closed set of types that travel or are journaled, each under a name and version of its own.</summary>
public static class Manifests
{
    private static readonly (string Manifest, Type Type)[] All =
    [
        // Events. Their names are what `elastictrain events` prints; a changed shape is a new version, the old one stays readable.
        ("run-created/1", typeof(RunCreated)),
        ("coordinator-started/1", typeof(CoordinatorStarted)),
        ("replicas-placed/1", typeof(ReplicasPlaced)),
        ("replica-recruited/1", typeof(ReplicaRecruited)),
        ("replica-joined/1", typeof(ReplicaJoined)),
        ("replicas-removed/1", typeof(ReplicasRemoved)),
        ("replica-diverged/1", typeof(ReplicaDiverged)),
        ("divergence-resolved/1", typeof(DivergenceResolved)),
        ("corruption-suspected/1", typeof(CorruptionSuspected)),
        ("step-restarted/1", typeof(StepRestarted)),
        ("step-committed/1", typeof(StepCommitted)),
        ("checkpoint-sealed/1", typeof(CheckpointSealed)),
        ("checkpoint-failed/1", typeof(CheckpointFailed)),
        ("layers-frozen/1", typeof(LayersFrozen)),
        ("layers-thawed/1", typeof(LayersThawed)),
        ("plan-amended/1", typeof(PlanAmended)),
        ("data-attached/1", typeof(DataAttached)),
        ("node-draining/1", typeof(NodeDraining)),
        ("run-paused/1", typeof(RunPaused)),
        ("run-resumed/1", typeof(RunResumed)),
        ("command-noted/1", typeof(CommandNoted)),
        ("run-finished/1", typeof(RunFinished)),
        ("run-halted/1", typeof(RunHalted)),
        ("run-snapshot/1", typeof(RunSnapshot)),
        // Commands and questions.
        ("freeze-layers/1", typeof(FreezeLayers)),
        ("thaw-layers/1", typeof(ThawLayers)),
        ("amend-plan/1", typeof(AmendPlan)),
        ("attach-data/1", typeof(AttachData)),
        ("pause-run/1", typeof(PauseRun)),
        ("resume-run/1", typeof(ResumeRun)),
        ("drain-node/1", typeof(DrainNode)),
        ("command-answer/1", typeof(CommandAnswer)),
        ("stop-run/1", typeof(StopRun)),
        ("get-status/1", typeof(GetStatus)),
        ("run-status/1", typeof(RunStatus)),
        // Nodes.
        ("worker-hello/1", typeof(WorkerHello)),
        ("worker-welcome/1", typeof(WorkerWelcome)),
        ("node-drained/1", typeof(NodeDrained)),
        ("worker-refused/1", typeof(WorkerRefused)),
        ("run-ended/1", typeof(RunEnded)),
        ("coordinator-heartbeat/1", typeof(CoordinatorHeartbeat)),
        ("coordinator-resigned/1", typeof(CoordinatorResigned)),
        // Devices.
        ("grant-ranks/1", typeof(GrantRanks)),
        ("ranks-completed/1", typeof(RanksCompleted)),
        ("ranks-failed/1", typeof(RanksFailed)),
        // Shards.
        ("start-replica/1", typeof(StartReplica)),
        ("replica-ready/1", typeof(ReplicaReady)),
        ("replica-failed/1", typeof(ReplicaFailed)),
        ("promise-term/1", typeof(PromiseTerm)),
        ("replica-report/1", typeof(ReplicaReport)),
        ("gradient-sealed/1", typeof(GradientSealed)),
        ("report-seal/1", typeof(ReportSeal)),
        ("apply-step/1", typeof(ApplyStep)),
        ("step-applied/1", typeof(StepApplied)),
        ("replica-refusal/1", typeof(ReplicaRefusal)),
        ("admit-replica/1", typeof(AdmitReplica)),
        ("follow-step/1", typeof(FollowStep)),
        ("sibling-step/1", typeof(SiblingStep)),
        ("snapshot-replica/1", typeof(SnapshotReplica)),
        ("stop-replica/1", typeof(StopReplica)),
        // Checkpoints.
        ("blob-written/1", typeof(BlobWritten)),
        ("blob-failed/1", typeof(BlobFailed)),
        // Carries any of the others.
        (Envelope, typeof(ShardEnvelope)),
    ];

    private static readonly FrozenDictionary<string, Type> Types = All.ToFrozenDictionary(m => m.Manifest, m => m.Type);
    private static readonly FrozenDictionary<Type, string> Names = All.ToFrozenDictionary(m => m.Type, m => m.Manifest);

    /// <summary>The manifest of <see cref="ShardEnvelope"/>, whose content has a manifest of its own.</summary>
    public const string Envelope = "shard-envelope/1";

    /// <summary>Every registered type.</summary>
    public static IEnumerable<Type> RegisteredTypes => Types.Values;

    /// <summary>The name of a type; null if it is not registered.</summary>
    public static string? NameOf(Type type) => Names.GetValueOrDefault(type);

    /// <summary>The type of a name; null if this version does not know it.</summary>
    public static Type? TypeOf(string manifest) => Types.GetValueOrDefault(manifest);
}
