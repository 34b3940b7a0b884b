namespace ElasticTrain.Model;

/// <summary>Chooses the next token from logits.</summary>
internal static class TokenSampler
{
    /// <summary>The likeliest token at temperature 0 (the lowest id of equals); otherwise the one where the cumulative softmax passes the draw.</summary>
    /// <param name="logits">One per token id.</param>
    /// <param name="temperature">0 or above.</param>
    /// <param name="bits">64 random bits.</param>
    internal static int Draw(ReadOnlySpan<float> logits, double temperature, ulong bits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        if (temperature == 0) return best;
        double total = 0;
        double[] cumulative = new double[logits.Length];
        for (int i = 0; i < logits.Length; i++)
        {
            double exponent = (logits[i] - logits[best]) / temperature;
            cumulative[i] = total += exponent > -700 ? DeterministicMath.Exp(exponent) : 0;
        }
        double draw = (bits >> 11) * (1.0 / (1UL << 53)) * total;
        for (int i = 0; i < logits.Length; i++)
        {
            if (draw < cumulative[i]) return i;
        }
        return best;
    }
}
