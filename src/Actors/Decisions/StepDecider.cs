using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Decisions;

/// <summary>
/// Turns what shards and ranks report about a step into the decision that all replicas apply. A pure function, the same on every machine.
/// </summary>
public static class StepDecider
{
    private const uint CanonicalNaN = 0x7FC00000;

    /// <summary>Decides the step after <paramref name="input"/>.</summary>
    /// <param name="plan">The plan in this step: with the amendments that hold by then.</param>
    /// <param name="input">The parameter version that the gradients were computed from.</param>
    /// <param name="commandContents">Canonical texts of the commands that take effect at this step, as <see cref="Runs.RunState.EffectiveAt"/> orders them.</param>
    /// <param name="sealedShards">The reports of all shards that are not frozen, in ascending shard order.</param>
    /// <param name="outcomes">What each rank found, by rank: V of them.</param>
    /// <param name="denominator">Tokens that count in the loss, over all ranks.</param>
    /// <param name="optimizerStep">t of the bias corrections, from 1: how many steps are applied once this one is, skipped ones not
    /// counted.</param>
    /// <exception cref="ArgumentException">Reports out of order or twice, or not one outcome for each rank.</exception>
    public static StepDecision Decide(
        Plan plan, Lineage input, IReadOnlyList<string> commandContents, IReadOnlyList<ShardSealReport> sealedShards,
        IReadOnlyList<RankOutcome> outcomes, long denominator, long optimizerStep)
    {
        Step step = input.Step.Next;
        int ranks = plan.PhaseAt(step).Batch.VirtualWorldSize;
        if (outcomes.Count != ranks)
            throw new ArgumentException($"Step {step} has {ranks} ranks, found the outcomes of {outcomes.Count}.", nameof(outcomes));
        ArgumentOutOfRangeException.ThrowIfNegative(denominator);
        ArgumentOutOfRangeException.ThrowIfLessThan(optimizerStep, 1);
        foreach (var (before, after) in sealedShards.Zip(sealedShards.Skip(1)))
            if (after.Shard.Value <= before.Shard.Value)
                throw new ArgumentException($"Reports must be in shard order, found {after.Shard} after {before.Shard}.", nameof(sealedShards));

        double sumOfSquares = 0;
        bool finite = true;
        foreach (var report in sealedShards)
        {
            sumOfSquares += report.SumOfSquares;
            finite &= report.Finite;
        }
        double norm = Math.Sqrt(sumOfSquares), clip = plan.Optimizer.Clip;
        float gradientNorm = finite && !double.IsNaN(norm) ? (float)norm : BitConverter.UInt32BitsToSingle(CanonicalNaN);
        // A norm beyond fp32 cannot be clipped to a meaningful direction in fp32: such a step is skipped too.
        bool skipped = !float.IsFinite(gradientNorm);
        float scale = skipped ? 0f : clip > 0 && norm > clip ? (float)(clip / norm) : 1f;
        return new StepDecision(
            step, LossBits(TreeSum([.. outcomes.Select(o => o.LossSum)]), denominator), gradientNorm, scale, (float)LearningRate.At(plan, step),
            AdamCoefficients.BiasCorrection((float)plan.Optimizer.Beta1, optimizerStep), AdamCoefficients.BiasCorrection((float)plan.Optimizer.Beta2, optimizerStep), denominator, skipped,
            RankOutcome.SumTokensPerExpert(outcomes), Lineages.Next(input, commandContents, sealedShards))
        {
            WeightDecay = (float)plan.Optimizer.WeightDecay,
            MtpLoss = BitConverter.UInt32BitsToSingle(LossBits(TreeSum([.. outcomes.Select(o => o.MtpLossSum)]), outcomes.Sum(o => o.MtpLossTokens))),
            BalanceLoss = BitConverter.UInt32BitsToSingle(LossBits(TreeSum([.. outcomes.Select(o => o.BalanceLoss)]), 1)),
        };
    }

    /// <summary>
    /// The sum over ranks along the reduction tree: a node at level j covers ranks [k 2^j, (k + 1) 2^j), and is its left child plus its
    /// right one, or its left child where V cuts the right one off.
    /// </summary>
    internal static double TreeSum(IReadOnlyList<double> values)
    {
        double[] level = [.. values];
        for (int count = level.Length; count > 1; count = (count + 1) / 2)
            for (int k = 0; 2 * k < count; k++)
                level[k] = (2 * k) + 1 < count ? level[2 * k] + level[(2 * k) + 1] : level[2 * k];
        return level[0];
    }

    /// <summary>
    /// A step in which every token is masked out has loss 0. The sign and payload of a NaN depend on the processor; here they do not.
    /// </summary>
    private static uint LossBits(double sum, long denominator)
    {
        float loss = denominator == 0 ? 0f : (float)(sum / denominator);
        return float.IsNaN(loss) ? CanonicalNaN : BitConverter.SingleToUInt32Bits(loss);
    }
}
