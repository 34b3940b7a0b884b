using ElasticTrain.Core;

namespace ElasticTrain.Model;

/// <summary>
/// YaRN (Peng et al., arXiv:2309.00071, section 3) as DeepSeek uses it: fast rotary pairs keep their frequency, slow ones are slowed down by a factor, those
/// between are mixed, and the attention's temperature makes up for the longer context.
/// </summary>
/// <param name="Factor">How much longer sequences become, 1 or more.</param>
/// <param name="OriginalMaxPositionEmbeddings">Longest sequence before the stretching.</param>
/// <param name="BetaFast">Pairs that turn more often than this within the original length keep their frequency.</param>
/// <param name="BetaSlow">Pairs that turn less often are slowed down by the whole factor.</param>
/// <param name="Mscale">Temperature of the rotary part alone.</param>
/// <param name="MscaleAllDim">Temperature of the whole product of query and key.</param>
public sealed record YarnScaling(
    double Factor, int OriginalMaxPositionEmbeddings, double BetaFast = 32, double BetaSlow = 1, double Mscale = 1, double MscaleAllDim = 0)
{
    /// <summary>Factor on cosines and sines.</summary>
    internal double RotaryFactor => Magnitude(Mscale) / Magnitude(MscaleAllDim);

    /// <summary>Factor on the scale of the attention scores.</summary>
    internal double SoftmaxFactor => Magnitude(MscaleAllDim) * Magnitude(MscaleAllDim);

    /// <summary>The frequency of pair <paramref name="pair"/> of <paramref name="width"/> / 2 whose plain frequency is <paramref name="frequency"/>.</summary>
    internal double Frequency(double frequency, int pair, int width, double theta)
    {
        double low = Math.Max(Math.Floor(PairOfRotations(BetaFast, width, theta)), 0);
        double high = Math.Min(Math.Ceiling(PairOfRotations(BetaSlow, width, theta)), width - 1);
        double ramp = Math.Clamp((pair - low) / (high == low ? 0.001 : high - low), 0, 1);
        return (frequency * (1 - ramp)) + (frequency / Factor * ramp);
    }

    internal void Validate(string where)
    {
        ModelConfig.Finite(where, "rope_scaling.factor", Factor, Factor >= 1, "a number of at least 1");
        ModelConfig.Positive(where, "rope_scaling.original_max_position_embeddings", OriginalMaxPositionEmbeddings);
        ModelConfig.Finite(where, "rope_scaling.beta_slow", BetaSlow, BetaSlow > 0, "a positive number");
        ModelConfig.Finite(where, "rope_scaling.beta_fast", BetaFast, BetaFast >= BetaSlow, $"at least beta_slow = {BetaSlow}");
        ModelConfig.Finite(where, "rope_scaling.mscale", Mscale, Mscale >= 0, "0 or a positive number");
        ModelConfig.Finite(where, "rope_scaling.mscale_all_dim", MscaleAllDim, MscaleAllDim >= 0, "0 or a positive number");
        const string small = "small enough that the factors on rotation and attention are fp32 numbers";
        ModelConfig.Require(where, "rope_scaling.mscale", Mscale, float.IsNormal((float)RotaryFactor), small);
        ModelConfig.Require(where, "rope_scaling.mscale_all_dim", MscaleAllDim, float.IsFinite((float)SoftmaxFactor), small);
    }

    /// <summary>The fields under their Hugging Face names.</summary>
    internal IEnumerable<(string Name, object Value)> Fields() =>
    [
        ("factor", Factor), ("original_max_position_embeddings", OriginalMaxPositionEmbeddings), ("beta_fast", BetaFast), ("beta_slow", BetaSlow),
        ("mscale", Mscale), ("mscale_all_dim", MscaleAllDim),
    ];

    /// <summary>The pair, as a fraction, that turns this often within the original length: d ln(L / (2 pi r)) / (2 ln theta).</summary>
    private double PairOfRotations(double rotations, int width, double theta) =>
        width * DeterministicMath.Log(OriginalMaxPositionEmbeddings / (2 * Math.PI * rotations)) / (2 * DeterministicMath.Log(theta));

    private double Magnitude(double mscale) => (0.1 * mscale * DeterministicMath.Log(Factor)) + 1;
}
