namespace ElasticTrain.Actors.Freezing;

/// <summary>
/// How similar a layer finds the samples of a batch to each other: A Aᵀ with each row scaled to length 1, where a row of A is all that the layer makes of one sample. Two networks that
/// have learned the same have the same matrix, whatever directions their activations point in. Source: Tung, Mori, "Similarity-preserving knowledge distillation", ICCV 2019, section 3.1.
/// </summary>
public sealed class SimilarityMatrix
{
    private readonly double[] _values;
    private readonly int _samples;

    /// <summary>Of a layer's activations.</summary>
    /// <param name="activations">Samples one after another, each with as many values.</param>
    /// <param name="samples">Number of samples b.</param>
    public SimilarityMatrix(ReadOnlySpan<float> activations, int samples)
    {
        int length = activations.Length / samples;
        _samples = samples;
        _values = new double[samples * samples];
        for (int row = 0; row < samples; row++)
        {
            double squares = 0;
            for (int column = 0; column < samples; column++)
            {
                double dot = 0;
                var a = activations.Slice(row * length, length);
                var b = activations.Slice(column * length, length);
                for (int i = 0; i < length; i++) dot += (double)a[i] * b[i];
                _values[(row * samples) + column] = dot;
                squares += dot * dot;
            }
            double norm = Math.Sqrt(squares);
            for (int column = 0; norm > 0 && column < samples; column++) _values[(row * samples) + column] /= norm;
        }
    }

    /// <summary>The similarity-preserving loss: the mean square of the difference, 0 for the same matrices.</summary>
    /// <param name="other">Of the same batch.</param>
    public double Loss(SimilarityMatrix other)
    {
        double sum = 0;
        for (int i = 0; i < _values.Length; i++) sum += (_values[i] - other._values[i]) * (_values[i] - other._values[i]);
        return sum / (_samples * _samples);
    }
}
