using ElasticTrain.Core;

namespace ElasticTrain.Actors.Decisions;

/// <summary>What the primary of a shard reports about the sealed gradient of a step.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="SumOfSquares">Sum of the squares of the gradient's values, in fp64 and the fixed block order.</param>
/// <param name="Finite">Whether every value is finite.</param>
/// <param name="GradientDigest">XxHash128 of the gradient's bytes.</param>
public sealed record ShardSealReport(ShardId Shard, double SumOfSquares, bool Finite, UInt128 GradientDigest);

/// <summary>Everything that replicas need to apply a step, computed once by the coordinator and sent as bits.</summary>
/// <param name="Step">The step.</param>
/// <param name="LossBits">The bits of the mean loss per token as fp32, nats; a loss that is no number is 0x7FC00000 on every
/// machine.</param>
/// <param name="GradientNorm">The Euclidean norm of the whole gradient before clipping.</param>
/// <param name="ClipScale">What the gradient is multiplied by: 1, or clip / norm where the norm is above the clip; 0 when skipped.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="BiasCorrection1">1 - beta1^t, with beta1 rounded to fp32 as the moments use it.</param>
/// <param name="BiasCorrection2">1 - beta2^t, likewise.</param>
/// <param name="Tokens">Predicted tokens that count in the loss, over all ranks.</param>
/// <param name="Skipped">The gradient is not finite: the step is committed and changes no parameter and no moment.</param>
/// <param name="TokensPerExpert">Tokens routed to each expert of each routed layer, in layout order.</param>
/// <param name="Lineage">D(step).</param>
public sealed record StepDecision(
    Step Step, uint LossBits, float GradientNorm, float ClipScale, float LearningRate, float BiasCorrection1, float BiasCorrection2,
    long Tokens, bool Skipped, long[] TokensPerExpert, Digest256 Lineage)
{
    /// <summary>The mean loss per token in nats.</summary>
    public float Loss => BitConverter.UInt32BitsToSingle(LossBits);

    /// <summary>The step's decoupled weight decay.</summary>
    public float WeightDecay { get; init; }

    /// <summary>The prediction module's mean loss per prediction in nats; 0 without one.</summary>
    public float MtpLoss { get; init; }

    /// <summary>The balance loss; 0 without one.</summary>
    public float BalanceLoss { get; init; }

    /// <summary>Two decisions are equal if all their bits are.</summary>
    public bool Equals(StepDecision? other) =>
        other is not null && Step == other.Step && LossBits == other.LossBits && Tokens == other.Tokens && Skipped == other.Skipped
        && Lineage == other.Lineage && SameBits(GradientNorm, other.GradientNorm) && SameBits(ClipScale, other.ClipScale)
        && SameBits(LearningRate, other.LearningRate) && SameBits(BiasCorrection1, other.BiasCorrection1)
        && SameBits(BiasCorrection2, other.BiasCorrection2) && SameBits(WeightDecay, other.WeightDecay) && SameBits(MtpLoss, other.MtpLoss) && SameBits(BalanceLoss, other.BalanceLoss) && TokensPerExpert.AsSpan().SequenceEqual(other.TokensPerExpert);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Step, LossBits, Lineage);

    private static bool SameBits(float left, float right) =>
        BitConverter.SingleToUInt32Bits(left) == BitConverter.SingleToUInt32Bits(right);
}
