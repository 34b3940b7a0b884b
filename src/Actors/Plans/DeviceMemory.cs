using System.Globalization;
using System.Numerics;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Plans;

/// <summary>What <c>device.memory</c> means for a plan. The parameters are exact, to the page; gradients are the most that a device can hold; activations are an estimate.</summary>
/// <param name="Limit">The plan's limit for each device, in bytes.</param>
/// <param name="Devices">Devices per node; they share one window of parameters.</param>
/// <param name="Parameters">Bytes of all parameters.</param>
/// <param name="LargestSegment">Bytes of the pages of the largest segment, the least window of a device.</param>
/// <param name="Gradients">Bytes of a device's gradients: the one in work, the next one being cleared, and the partial sums of the ranks before it.</param>
/// <param name="Activations">About the bytes of what forward leaves for backward, in the phase that needs most.</param>
public sealed record DeviceMemory(long Limit, int Devices, long Parameters, long LargestSegment, long Gradients, long Activations)
{
    /// <summary>The least limit that suffices.</summary>
    public long Least => LargestSegment + Gradients + Activations;

    /// <summary>The least limit with which all parameters are held.</summary>
    public long Resident => ((Parameters + Devices - 1) / Devices) + Gradients + Activations;

    /// <summary>Bytes of parameters that the node's devices hold together, at most.</summary>
    public long NodeWindow => Devices * (Limit - Gradients - Activations);

    /// <summary>Whether not even one segment fits for each device.</summary>
    public bool IsTooSmall => Limit < Math.Min(Least, Resident);

    /// <summary>Whether parameters are pulled when they are needed, not held.</summary>
    public bool IsStreamed => Limit < Resident;

    /// <summary>What a plan's limit means; null where there is none.</summary>
    public static DeviceMemory? Of(Plan plan, ParameterLayout layout)
    {
        if (plan.Device.Memory is not { } limit) return null;
        var size = new ModelSize(layout);
        long gradient = layout.TotalLength * sizeof(float);
        BatchPlan[] batches = [.. plan.Phases.Select(phase => phase.Batch)];
        // A binary counter of partial sums (BlockAccumulator), at most one for each digit of V - 1.
        int sums = batches.Max(batch => BitOperations.Log2((uint)((2 * batch.VirtualWorldSize) - 1)));
        double activations = batches.Max(batch => size.ActivationBytes(batch.MicroBatchSize, batch.SequenceLength, plan.Device.Recompute));
        return new DeviceMemory(limit, plan.Device.Count, gradient, ParameterWindow.LeastBytes(layout), (2 + sums) * gradient, (long)Math.Ceiling(activations));
    }

    /// <summary>Refuses a limit that cannot be kept.</summary>
    /// <exception cref="BadInputException">It is too small, or this system cannot stream.</exception>
    public void Require(string where)
    {
        if (IsTooSmall)
            throw new BadInputException(where, Text($"{Limit} bytes"),
                Text($"at least {Least} bytes: {LargestSegment} for the largest layer's parameters, {Gradients} for gradients, about {Activations} for activations"));
        if (IsStreamed && !ReservedMemory.IsSupported)
            throw new BadInputException(where, Text($"{Limit} bytes"), Text($"{Resident} bytes or more, so that all parameters are held: to stream them is for Linux so far"));
    }

    /// <summary>What happens, for people.</summary>
    public override string ToString() => IsStreamed
        ? Text($"parameters are streamed, at most {NodeWindow / MiB:0.00} of {Parameters / MiB:0.00} MiB at a time in each node; from {Resident / MiB:0.00} MiB on they are held")
        : Text($"all parameters are held; from {Least / MiB:0.00} MiB on they can be streamed");

    private const double MiB = 1 << 20;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
