using System.Diagnostics;
using System.Globalization;

namespace ElasticTrain.Kernels;

/// <summary>
/// Runs candidates one after another, round by round, so that whatever else the machine does hits all of them alike, and prints the median of the
/// bytes per second (reads + writes, as the algorithm counts them) and its ratio to the first candidate's.
/// </summary>
internal sealed class Contest(string title, int rounds)
{
    private readonly List<(string Name, double Bytes, Action Run, List<double> Seconds)> _candidates = [];

    public Contest Add(string name, double bytes, Action run)
    {
        _candidates.Add((name, bytes, run, []));
        return this;
    }

    public void Print()
    {
        foreach (var candidate in _candidates) candidate.Run();
        for (int round = 0; round < rounds; round++)
        {
            foreach (var candidate in _candidates)
            {
                long start = Stopwatch.GetTimestamp();
                candidate.Run();
                candidate.Seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        Console.WriteLine(title);
        foreach (var (name, bytes, _, seconds) in _candidates)
        {
            // The ratio is the median of the rounds' ratios: neighbours in time are compared with each other.
            var ratios = seconds.Select((s, round) => bytes / s / (_candidates[0].Bytes / _candidates[0].Seconds[round]));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-58} {bytes / Median(seconds) / 1e9,7:0.00} GB/s   ratio {Median(ratios):0.00}"));
        }
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
