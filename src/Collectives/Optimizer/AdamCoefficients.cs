namespace ElasticTrain.Collectives;

/// <summary>The scalars of one AdamW update, computed once by the coordinator and sent as bits, so that all replicas use the same ones.</summary>
/// <param name="LearningRate">Step size.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled weight decay.</param>
/// <param name="BiasCorrection1">1 - beta1^t for the t-th update, t from 1.</param>
/// <param name="BiasCorrection2">1 - beta2^t.</param>
/// <param name="GradientScale">What gradients are multiplied by first: clipping, and loss-scale removal.</param>
public readonly record struct AdamCoefficients(
    float LearningRate,
    float Beta1,
    float Beta2,
    float Epsilon,
    float WeightDecay,
    float BiasCorrection1,
    float BiasCorrection2,
    float GradientScale)
{
    /// <summary>
    /// The coefficients of update <paramref name="update"/>. Powers are taken by repeated squaring in fp64, because <c>pow</c> differs between C
    /// libraries; the betas in them are the rounded fp32 ones that the moments use, so that the correction is exact for a constant gradient.
    /// </summary>
    /// <param name="update">t, from 1.</param>
    /// <param name="learningRate">Step size.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="epsilon">Added to the root of the second moment.</param>
    /// <param name="weightDecay">Decoupled weight decay.</param>
    /// <param name="gradientScale">What gradients are multiplied by first.</param>
    public static AdamCoefficients ForUpdate(
        long update, float learningRate, float beta1, float beta2, float epsilon, float weightDecay, float gradientScale)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(update);
        return new AdamCoefficients(
            learningRate, beta1, beta2, epsilon, weightDecay,
            BiasCorrection(beta1, update), BiasCorrection(beta2, update), gradientScale);
    }

    /// <summary>1 - beta^t.</summary>
    /// <param name="beta">The decay, as the moments use it.</param>
    /// <param name="update">t, from 1.</param>
    public static float BiasCorrection(float beta, long update) => (float)(1 - Power(beta, update));

    private static double Power(double value, long exponent)
    {
        double result = 1;
        for (; exponent > 0; exponent >>= 1, value *= value)
        {
            if ((exponent & 1) != 0) result *= value;
        }
        return result;
    }
}
