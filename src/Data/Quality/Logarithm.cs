using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>Logarithms of probabilities and weights, of which none may be 0: a language model with an infinity in it would be written and read again without a word.</summary>
internal static class Logarithm
{
    /// <summary>The natural logarithm of a positive finite number, with the same bits on every machine.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none.</exception>
    internal static double Of(double value) =>
        value > 0 && double.IsFinite(value) ? DeterministicMath.Log(value) : throw new ArgumentOutOfRangeException(nameof(value), value, "Positive and finite.");
}
