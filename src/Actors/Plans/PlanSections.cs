using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Plans;

/// <summary>Where the training text comes from.</summary>
/// <param name="Input">A file or a folder of text as an absolute path; null: the reference documentation of the .NET SDK that is
/// running.</param>
/// <param name="MaxBytes">At most this many bytes of text are used; null: all of them.</param>
/// <param name="ValidationShare">Share of the text kept back for validation, in [0, 0.5].</param>
public sealed record DataPlan(string? Input, long? MaxBytes, double ValidationShare);

/// <summary>The global batch of one step, which never depends on how many devices are alive.</summary>
/// <param name="TrainBatchSize">Sequences per step over all ranks.</param>
/// <param name="MicroBatchSize">Sequences per forward/backward.</param>
/// <param name="GradientAccumulationSteps">Micro-batches that a rank runs one after another.</param>
/// <param name="SequenceLength">Predicted positions per sequence, in tokens.</param>
public sealed record BatchPlan(int TrainBatchSize, int MicroBatchSize, int GradientAccumulationSteps, int SequenceLength)
{
    /// <summary>
    /// V, the number of virtual ranks, from DeepSpeed's batch equation with V in place of the physical world size:
    /// <c>train-batch-size = micro-batch-size x gradient-accumulation-steps x V</c>.
    /// </summary>
    public int VirtualWorldSize => TrainBatchSize / (MicroBatchSize * GradientAccumulationSteps);

    /// <summary>Predicted positions per step over all ranks, in tokens, before any loss mask.</summary>
    public long TokensPerStep => (long)TrainBatchSize * SequenceLength;
}

/// <summary>One phase of the training; phases run one after another.</summary>
/// <param name="Name">For the user; changes no bit.</param>
/// <param name="Steps">How many steps the phase lasts.</param>
/// <param name="LearningRate">The peak learning rate in this phase: the phase's own, or the optimizer's.</param>
/// <param name="Batch">The batch in this phase: the plan's, with the phase's own keys over it.</param>
public sealed record PhasePlan(string Name, long Steps, double LearningRate, BatchPlan Batch);

/// <summary>How the learning rate moves over the plan's steps.</summary>
public enum ScheduleKind
{
    /// <summary>The peak rate all the way.</summary>
    Constant,

    /// <summary>Half a cosine from the peak down to the minimum at the last step.</summary>
    Cosine,

    /// <summary>A straight line from the peak down to the minimum at the last step.</summary>
    Linear,
}

/// <summary>The learning rate's schedule: a factor in [0, 1] on the peak learning rate.</summary>
/// <param name="Kind">The curve after the warm-up.</param>
/// <param name="WarmupSteps">Steps over which the rate rises in a straight line; 0: none.</param>
/// <param name="MinRatio">The factor at the last step of the plan, in [0, 1].</param>
public sealed record SchedulePlan(ScheduleKind Kind, long WarmupSteps, double MinRatio);

/// <summary>Optimizer algorithms.</summary>
public enum OptimizerKind
{
    /// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).</summary>
    AdamW,
}

/// <summary>The optimizer and its constants.</summary>
/// <param name="Kind">The algorithm.</param>
/// <param name="LearningRate">Peak learning rate, above 0.</param>
/// <param name="Beta1">Decay of the first moment, in [0, 1).</param>
/// <param name="Beta2">Decay of the second moment, in [0, 1).</param>
/// <param name="Epsilon">Added to the root of the second moment, above 0.</param>
/// <param name="WeightDecay">Decoupled weight decay, 0 or more.</param>
/// <param name="Clip">Largest global gradient norm; 0: no clipping.</param>
/// <param name="Schedule">The learning rate's schedule.</param>
public sealed record OptimizerPlan(
    OptimizerKind Kind, double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, double Clip,
    SchedulePlan Schedule);

/// <summary>Membership and failure handling. Nothing here changes a bit of the result.</summary>
/// <param name="Replicas">Live copies of each shard, on different nodes; fewer where there are fewer nodes.</param>
/// <param name="MinWorkers">The run waits, visibly, while fewer workers are alive.</param>
/// <param name="SuspectAfter">A worker silent for this long loses its unfinished work to others.</param>
/// <param name="PreemptionGrace">Time that a node told to go away takes to hand over.</param>
/// <param name="Speculate">Whether an idle device computes a straggler's ranks as well.</param>
/// <param name="Audit">Share of the ranks that are computed a second time, on another device where there is one, and compared.</param>
/// <param name="AllowChaos">Whether faults may be injected into the run.</param>
public sealed record ElasticPlan(int Replicas, int MinWorkers, TimeSpan SuspectAfter, TimeSpan PreemptionGrace, bool Speculate, double Audit, bool AllowChaos);

/// <summary>The journal database.</summary>
/// <param name="Provider">Which database.</param>
/// <param name="ConnectionString">An Npgsql connection string; null with SQLite.</param>
public sealed record JournalPlan(DatabaseProvider Provider, string? ConnectionString);

/// <summary>The checkpoint policy.</summary>
/// <param name="Every">A checkpoint after each this many steps.</param>
/// <param name="Keep">How many sealed checkpoints are kept.</param>
/// <param name="Directory">Folder as an absolute path; null: inside the run's folder.</param>
public sealed record CheckpointPlan(long Every, int Keep, string? Directory);

/// <summary>Kinds of device.</summary>
public enum DeviceKind
{
    /// <summary>A slice of CPU cores.</summary>
    Cpu,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda,
}

/// <summary>The devices of one node. Their number never changes the result.</summary>
/// <param name="Kind">CPU or CUDA.</param>
/// <param name="Count">Devices per node.</param>
/// <param name="Threads">CPU threads per device.</param>
/// <param name="Recompute">Whether the backward pass computes each layer's forward pass again instead of keeping it: the same bits for less memory and more
/// time.</param>
/// <param name="Memory">Bytes that each device may hold of parameters, gradients and activations; null: no limit. Where the parameters do not fit, each layer's
/// are pulled from their shards when they are needed: the same bits for less memory and more time.</param>
public sealed record DevicePlan(DeviceKind Kind, int Count, int Threads, bool Recompute = false, long? Memory = null);

/// <summary>How strictly nodes must agree.</summary>
public enum NumericsMode
{
    /// <summary>A node of another numerics class is refused; the run can be verified bit by bit.</summary>
    Strict,

    /// <summary>Nodes of any numerics class may join; the result is not reproducible and <c>verify</c> is off.</summary>
    Tolerant,
}

/// <summary>Numerics of the run.</summary>
/// <param name="Compute">Number format of the forward and backward pass.</param>
/// <param name="Mode">How strictly nodes must agree.</param>
public sealed record NumericsPlan(ComputeKind Compute, NumericsMode Mode);
