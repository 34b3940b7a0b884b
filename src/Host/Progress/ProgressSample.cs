namespace ElasticTrain.Host.Progress;

/// <summary>Where a run stands.</summary>
/// <param name="Step">The last committed step.</param>
/// <param name="Steps">The run's total.</param>
/// <param name="Loss">Mean loss of that step, in nats per token.</param>
/// <param name="TokensPerSecond">Training tokens a second, lately.</param>
/// <param name="LearningRate">Learning rate of that step.</param>
/// <param name="GradientNorm">Global gradient norm of that step, before clipping.</param>
/// <param name="Workers">Nodes that train.</param>
/// <param name="State">waiting, running, paused, finished or stopped.</param>
public sealed record ProgressSample(
    long Step, long Steps, double Loss, double TokensPerSecond, double LearningRate, double GradientNorm, int Workers, string State)
{
    /// <summary>The prediction module's mean loss of that step, in nats per prediction; 0 without one.</summary>
    public double MtpLoss { get; init; }

    /// <summary>The balance loss of that step; 0 without one.</summary>
    public double BalanceLoss { get; init; }
}
