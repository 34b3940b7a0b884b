using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>Ask a run how it is.</summary>
public sealed record GetStatus;

/// <summary>A worker node in a status.</summary>
/// <param name="Node">Name.</param>
/// <param name="Pid">Process id.</param>
/// <param name="Devices">Number of devices.</param>
public sealed record WorkerStatus(string Node, int Pid, int Devices);

/// <summary>A shard replica in a status.</summary>
/// <param name="Id">Shard.</param>
/// <param name="Replica">Replica number.</param>
/// <param name="Node">Node name.</param>
/// <param name="Bytes">Bytes of parameters and moments.</param>
public sealed record ShardStatus(string Id, int Replica, string Node, long Bytes);

/// <summary>How a run is.</summary>
/// <param name="State">waiting, running, paused, finished or stopped.</param>
/// <param name="Detail">Why it waits, or what it does, for people.</param>
/// <param name="Step">Last committed step.</param>
/// <param name="Steps">The step at which it ends.</param>
/// <param name="Workers">Live workers.</param>
/// <param name="CoordinatorNode">Node that coordinates.</param>
/// <param name="CoordinatorPid">Its process.</param>
/// <param name="Term">Its term.</param>
/// <param name="Shards">Replicas and where they live.</param>
/// <param name="FrozenLayers">Number of frozen layers, the embedding with them; 0 for none.</param>
/// <param name="Loss">Mean loss of the last committed step, nats.</param>
/// <param name="LearningRate">Of the last committed step.</param>
/// <param name="GradientNorm">Of the last committed step.</param>
/// <param name="TokensPerSecond">Over the last seconds.</param>
/// <param name="Checkpoint">Step of the newest sealed checkpoint, null before the first.</param>
/// <param name="Notes">Lines for the operator.</param>
public sealed record RunStatus(
    string State, string Detail, long Step, long Steps, IReadOnlyList<WorkerStatus> Workers, string? CoordinatorNode, int CoordinatorPid,
    long Term, IReadOnlyList<ShardStatus> Shards, int FrozenLayers, float Loss, float LearningRate, float GradientNorm,
    double TokensPerSecond, long? Checkpoint, IReadOnlyList<NumberedNote> Notes)
{
    /// <summary>The prediction module's mean loss in the last committed step, nats; 0 without one.</summary>
    public float MtpLoss { get; init; }

    /// <summary>The balance loss of the last committed step; 0 without one.</summary>
    public float BalanceLoss { get; init; }

    /// <summary>Amendments and attached data that hold or wait for their step, for people.</summary>
    public IReadOnlyList<string> Commands { get; init; } = [];
}
