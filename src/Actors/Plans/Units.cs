using System.Globalization;

namespace ElasticTrain.Actors.Plans;

/// <summary>
/// HOCON's durations (<c>500 ms</c>, <c>1.5 minutes</c>) and byte sizes (<c>64 MiB</c>, <c>1 GB</c>), which Akka's parser reads only in
/// part.
/// </summary>
public static class Units
{
    private static readonly (string[] Names, double Ticks)[] Durations =
    [
        (["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 0.01),
        (["us", "micro", "micros", "microsecond", "microseconds"], TimeSpan.TicksPerMicrosecond),
        (["ms", "milli", "millis", "millisecond", "milliseconds"], TimeSpan.TicksPerMillisecond),
        (["s", "second", "seconds"], TimeSpan.TicksPerSecond),
        (["m", "minute", "minutes"], TimeSpan.TicksPerMinute),
        (["h", "hour", "hours"], TimeSpan.TicksPerHour),
        (["d", "day", "days"], TimeSpan.TicksPerDay),
    ];

    private static readonly (string[] Names, double Bytes)[] Sizes =
    [
        (["", "B", "b", "byte", "bytes"], 1),
        (["kB", "KB", "kilobyte", "kilobytes"], 1e3), (["K", "k", "KiB", "Ki", "kibibyte", "kibibytes"], 1L << 10),
        (["MB", "megabyte", "megabytes"], 1e6), (["M", "m", "MiB", "Mi", "mebibyte", "mebibytes"], 1L << 20),
        (["GB", "gigabyte", "gigabytes"], 1e9), (["G", "g", "GiB", "Gi", "gibibyte", "gibibytes"], 1L << 30),
        (["TB", "terabyte", "terabytes"], 1e12), (["T", "t", "TiB", "Ti", "tebibyte", "tebibytes"], 1L << 40),
    ];

    /// <summary>Reads a duration with its unit; a bare number is refused, because nobody remembers which unit it means.</summary>
    internal static bool TryDuration(string text, out TimeSpan duration)
    {
        bool good = TryScaled(text, Durations, out double ticks);
        duration = good ? TimeSpan.FromTicks((long)ticks) : default;
        return good;
    }

    /// <summary>Reads a byte size; a bare number is bytes.</summary>
    public static bool TryBytes(string text, out long bytes)
    {
        bool good = TryScaled(text, Sizes, out double value);
        bytes = good ? (long)value : default;
        return good;
    }

    /// <summary>A duration as HOCON, exact.</summary>
    internal static string ToHocon(TimeSpan duration) =>
        duration.Ticks % TimeSpan.TicksPerSecond == 0 ? Invariant($"{duration.Ticks / TimeSpan.TicksPerSecond} s")
        : duration.Ticks % TimeSpan.TicksPerMillisecond == 0 ? Invariant($"{duration.Ticks / TimeSpan.TicksPerMillisecond} ms")
        : Invariant($"{duration.Ticks * 100} ns");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static bool TryScaled(string text, (string[] Names, double Scale)[] units, out double value)
    {
        value = 0;
        int split = text.Length;
        while (split > 0 && char.IsAsciiLetter(text[split - 1])) split--;
        string name = text[split..];
        var unit = units.FirstOrDefault(candidate => candidate.Names.Contains(name, StringComparer.Ordinal));
        if (unit.Names is null) return false;
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        if (!decimal.TryParse(text[..split].Trim(), Style, CultureInfo.InvariantCulture, out decimal number)) return false;
        if (unit.Scale > 1 && Math.Abs(number) > decimal.MaxValue / (decimal)unit.Scale) return false;
        value = (double)(number * (decimal)unit.Scale);
        return value is >= 0 and < long.MaxValue;
    }
}
