using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Training;

/// <summary>What one process measured, ours or the peer's; the names are those of the JSON line that both print.</summary>
internal sealed record Measurement(
    [property: JsonPropertyName("tokens_per_second")] double TokensPerSecond,
    [property: JsonPropertyName("peak_rss_mb")] double PeakMemory,
    [property: JsonPropertyName("first_loss")] double FirstLoss,
    [property: JsonPropertyName("last_loss")] double LastLoss,
    [property: JsonPropertyName("growth_mb")] double Growth = 0)
{
    /// <summary>Steps that do not count: at least these, and as many as the compiler needs to see what is hot.</summary>
    private const int WarmUp = 4;

    private static readonly TimeSpan LeastWarmUp = TimeSpan.FromSeconds(4);

    /// <summary>Trains in this process.</summary>
    internal static Measurement Take(string config, ComputeKind compute, int devices, int sequences, int length, int steps)
    {
        using var trainer = new Trainer(ModelConfig.FromHuggingFace(config), compute, devices, sequences, length);
        double before = 0;
        var results = trainer.Run(WarmUp, LeastWarmUp, steps, () => before = Megabytes("VmRSS"));
        double growth = Megabytes("VmRSS") - before;
        double median = new Numbers([.. results.TakeLast(steps).Select(r => r.Seconds)]).Median;
        return new Measurement(sequences * length / median, Megabytes("VmHWM"), results[0].Loss, results[^1].Loss, growth);
    }

    /// <summary>Runs a command to its end and reads the last line that it prints.</summary>
    internal static Measurement OfProcess(string file, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(file) { RedirectStandardOutput = true };
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start) ?? throw new ElasticTrainException($"{file} did not start");
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new ElasticTrainException($"{file} {string.Join(' ', start.ArgumentList)} ended with code {process.ExitCode}");
        string line = output.TrimEnd().Split('\n')[^1];
        return JsonSerializer.Deserialize<Measurement>(line) ?? throw new ElasticTrainException($"{file} printed no measurement: {line}");
    }

    private static double Megabytes(string field)
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(field + ":", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^2], CultureInfo.InvariantCulture) / 1024;
    }
}
