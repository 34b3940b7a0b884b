namespace ElasticTrain.Core;

/// <summary>
/// Elementary functions from + - * / and square root alone, which IEEE 754 rounds the same way everywhere. The C library's versions differ between
/// systems in the last bit, and such a bit would end up in weights, in a loss or in a file.
/// </summary>
public static class DeterministicMath
{
    private const double Ln2High = 6.93147180369123816490e-01, Ln2Low = 1.90821492927058770002e-10; // fdlibm e_log.c: high part has 32 bits
    private const double PiHalfHigh = 1.57079632673412561417e+00, PiHalfMiddle = 6.07710050630396597660e-11, PiHalfLow = 2.02226624879595063154e-21; // fdlibm e_rem_pio2.c

    private const double LargestPower = 709, SmallestPower = -745, Normal = 700;

    /// <summary>Natural logarithm of a positive normal number, to about one unit in the last place; -infinity for 0, NaN below.</summary>
    public static double Log(double x)
    {
        if (!(x > 0) || double.IsInfinity(x)) return double.IsNaN(x) || x < 0 ? double.NaN : x == 0 ? double.NegativeInfinity : x;
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)(bits >> 52) - 1023;
        double mantissa = BitConverter.Int64BitsToDouble((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000);
        if (mantissa > 1.4142135623730951)
        {
            mantissa /= 2;
            exponent++;
        }
        // log m = 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.172
        double s = (mantissa - 1) / (mantissa + 1), s2 = s * s, sum = 0;
        for (int n = 23; n >= 3; n -= 2) sum = (sum + 1.0 / n) * s2;
        return (exponent * Ln2High) + ((2 * s) + ((2 * s * sum) + (exponent * Ln2Low)));
    }

    /// <summary>e^x; infinity above 709, 0 below -745.</summary>
    public static double Exp(double x)
    {
        if (x > LargestPower) return double.PositiveInfinity;
        if (x < SmallestPower) return 0;
        double n = Math.Round(x / (Ln2High + Ln2Low));
        double r = x - (n * Ln2High) - (n * Ln2Low), sum = 1;
        for (int k = 18; k >= 1; k--) sum = 1 + (r / k * sum);
        // Beyond, the power of two alone is no normal number.
        return Math.Abs(x) <= Normal ? sum * BitConverter.Int64BitsToDouble(((long)n + 1023) << 52) : Math.ScaleB(sum, (int)n);
    }

    /// <summary>Sine and cosine of an angle below 2^30.</summary>
    public static (double Sin, double Cos) SinCos(double x)
    {
        double n = Math.Round(x / (PiHalfHigh + PiHalfMiddle));
        double r = x - (n * PiHalfHigh) - (n * PiHalfMiddle) - (n * PiHalfLow), r2 = r * r;
        double sin = 1, cos = 1;
        for (int k = 10; k >= 1; k--)
        {
            sin = 1 - (r2 / (2 * k * ((2 * k) + 1)) * sin);
            cos = 1 - (r2 / (2 * k * ((2 * k) - 1)) * cos);
        }
        sin *= r;
        return ((long)n & 3) switch
        {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
    }
}
