using System.Globalization;

namespace ElasticTrain.Benchmarks;

/// <summary>Several measurements of one thing: their median, and how far they spread.</summary>
internal sealed record Numbers(IReadOnlyList<double> Values)
{
    public double Median
    {
        get
        {
            double[] sorted = [.. Values.Order()];
            return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        }
    }

    public string ToString(string format)
    {
        string Text(double value) => value.ToString(format, CultureInfo.InvariantCulture);
        return Values.Count == 0 ? "nothing measured" : $"{Text(Median)} ({Text(Values.Min())} .. {Text(Values.Max())}, {Values.Count} rounds)";
    }

    public override string ToString() => ToString("0.000");
}
