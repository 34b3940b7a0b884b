namespace ElasticTrain.Host.Chaos;

/// <summary>What is done to a run.</summary>
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
}

/// <summary>A fault that is to happen, or has happened.</summary>
/// <param name="Kind">What.</param>
/// <param name="AfterStep">It strikes once this step is committed,</param>
/// <param name="Delay">and this share of a step's duration has passed.</param>
/// <param name="Roll">Which process, in [0, 1).</param>
/// <param name="PauseFor">How long a stopped process stays stopped.</param>
internal sealed record PlannedFault(FaultKind Kind, long AfterStep, double Delay, double Roll, TimeSpan PauseFor);

/// <summary>A fault that has happened.</summary>
/// <param name="Kind">What.</param>
/// <param name="At">When, UTC.</param>
/// <param name="What">To which process, in words.</param>
/// <param name="Committed">The last step that was committed then.</param>
internal sealed record Fault(FaultKind Kind, DateTime At, string What, long Committed)
{
    /// <summary>Time to the next committed step; null if the run had none left.</summary>
    public TimeSpan? ToNextCommit { get; set; }
}
