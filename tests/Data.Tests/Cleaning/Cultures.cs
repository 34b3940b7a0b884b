using System.Globalization;

namespace ElasticTrain.Data.Tests.Cleaning;

/// <summary>Other cultures than the invariant one.</summary>
internal static class Cultures
{
    /// <summary>
    /// Runs with tr-TR, or, where globalization is invariant and no culture has data, with a culture that writes numbers as Turkish does.
    /// </summary>
    internal static void Turkish(Action action)
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = Culture();
            action();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    private static CultureInfo Culture()
    {
        try
        {
            return new CultureInfo("tr-TR");
        }
        catch (CultureNotFoundException)
        {
            var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            culture.NumberFormat.NumberDecimalSeparator = ",";
            culture.NumberFormat.NumberGroupSeparator = ".";
            culture.NumberFormat.NegativeSign = "−";
            return culture;
        }
    }
}
