namespace ElasticTrain.Host.Chaos;

/// <summary>What is done to a run. A kind's place is part of its schedule: new ones go to the end.</summary>
internal enum FaultKind
{
    /// <summary>kill -9 of a random node that does not coordinate.</summary>
    Worker,

    /// <summary>kill -9 of the node that coordinates.</summary>
    Coordinator,

    /// <summary>kill -9 of the Lighthouse.</summary>
    Lighthouse,

    /// <summary>kill -9 of the launcher, the Lighthouse and all nodes; then the same command again.</summary>
    Everything,

    /// <summary>kill -9 of a run in one process; then the same command again.</summary>
    SingleProcess,

    /// <summary>SIGSTOP of a random process for a random time, then SIGCONT.</summary>
    Pause,

    /// <summary>kill -9 of a random node at the very moment at which an event of a chosen type appears in the journal.</summary>
    Phase,

    /// <summary>SIGSTOP of the coordinator for longer than its succession takes.</summary>
    PauseCoordinator,

    /// <summary>A node that is stopped half of the time, 50 ms on and 50 ms off, for some seconds.</summary>
    Slow,

    /// <summary>kill -9 of two nodes at once.</summary>
    Double,

    /// <summary>kill -9 of the coordinator and of another node at once.</summary>
    CoordinatorAndWorker,

    /// <summary>kill -9 of all nodes but one, of five.</summary>
    FourOfFive,

    /// <summary>Nodes are started by hand, drained, terminated and killed at random for some seconds.</summary>
    Storm,

    /// <summary>A node is killed, and the one from which its shards are made anew is killed while they are copied.</summary>
    Sibling,

    /// <summary>Nothing gets from one node's tensor connections to another's for some seconds; the cluster's own links stay healthy.</summary>
    OneWay,

    /// <summary>The same in both directions.</summary>
    Partition,

    /// <summary>No checkpoint can be written until one has failed.</summary>
    DiskFull,

    /// <summary>Everything is killed, a bit of the newest checkpoint is flipped, and the same command is given again.</summary>
    BitFlip,

    /// <summary>A bit of one replica's moments is flipped in memory: its sibling shows it, and the replay tells which of the two was wrong.</summary>
    Moments,
}

/// <summary>The moment of a <see cref="FaultKind.Phase"/>: the next such event in the journal.</summary>
internal enum Moment
{
    /// <summary>A step is committed.</summary>
    StepCommitted,

    /// <summary>A checkpoint is sealed.</summary>
    CheckpointSealed,

    /// <summary>A replica leaves its in-sync set (after a node was killed).</summary>
    ReplicasRemoved,

    /// <summary>A replica is being made (likewise).</summary>
    ReplicaRecruited,

    /// <summary>A replica that was made is in sync (likewise).</summary>
    ReplicaJoined,

    /// <summary>A coordinator takes office (after the former one was killed).</summary>
    CoordinatorStarted,
}

/// <summary>A fault that is to happen, or has happened.</summary>
/// <param name="Kind">What.</param>
/// <param name="AfterStep">It strikes once this step is committed,</param>
/// <param name="Delay">and this share of a step's duration has passed.</param>
/// <param name="Roll">Which process, in [0, 1).</param>
/// <param name="Lasts">How long it lasts, if it does.</param>
/// <param name="Moment">Of a phase fault: what it waits for.</param>
/// <param name="Seed">Of a storm: what it does.</param>
internal sealed record PlannedFault(FaultKind Kind, long AfterStep, double Delay, double Roll, TimeSpan Lasts, Moment Moment = default, int Seed = 0);

/// <summary>A fault that has happened.</summary>
/// <param name="Kind">What.</param>
/// <param name="At">When, UTC.</param>
/// <param name="What">To which process, in words.</param>
/// <param name="Committed">The last step that was committed then.</param>
internal sealed record Fault(FaultKind Kind, DateTime At, string What, long Committed)
{
    /// <summary>When it was over, UTC; a kill is at once.</summary>
    public DateTime Until { get; set; } = At;

    /// <summary>Time to the next committed step; null if the run had none left.</summary>
    public TimeSpan? ToNextCommit { get; set; }
}
