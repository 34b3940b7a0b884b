namespace ElasticTrain.Data.Quality;

/// <summary>
/// Logarithm and exponential from additions, multiplications and divisions in a fixed order: the same bits on every machine, which the C library's own do
/// not promise. Errors stay below 1e-15 of the value.
/// </summary>
internal static class StableMath
{
    // ln 2 in two parts: the first has 32 bits, so that its product with an exponent is exact.
    private const double Ln2High = 6.93147180369123816490e-01, Ln2Low = 1.90821492927058770002e-10;

    /// <summary>The natural logarithm of a positive finite number: ln(2^e m) = e ln 2 + 2 artanh((m - 1) / (m + 1)), with m near 1.</summary>
    internal static double Log(double value)
    {
        if (!(value > 0) || double.IsInfinity(value)) throw new ArgumentOutOfRangeException(nameof(value), value, "Positive and finite.");
        int exponent = Math.ILogB(value);
        double mantissa = Math.ScaleB(value, -exponent);
        if (mantissa > 1.4142135623730951)
        {
            mantissa *= 0.5;
            exponent++;
        }
        double s = (mantissa - 1) / (mantissa + 1), square = s * s, sum = 0;
        for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * square;
        return exponent * Ln2High + (exponent * Ln2Low + (2 * s + 2 * s * sum));
    }

    /// <summary>e to the power of a number; infinity above 709.</summary>
    internal static double Exp(double value)
    {
        if (value > 709) return double.PositiveInfinity;
        if (value < -745) return 0;
        int exponent = (int)Math.Floor(value / 0.69314718055994530942 + 0.5);
        double rest = value - exponent * Ln2High - exponent * Ln2Low, sum = 1;
        for (int k = 16; k >= 1; k--) sum = 1 + sum * rest / k;
        return Math.ScaleB(sum, exponent);
    }
}
