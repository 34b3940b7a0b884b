using System.CommandLine;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Host.Commands;

/// <summary>Options that several commands share.</summary>
internal static class CommonOptions
{
    internal static Option<string?> NewRunDirectory() =>
        new("--run-dir") { Description = "the run's folder (default: runs/NAME, with the plan's name)", HelpName = "DIR" };

    internal static Option<string> RunDirectory() => new("--run-dir") { Description = "the run's folder", HelpName = "DIR", Required = true };

    internal static Option<long?> Steps() => new("--steps") { Description = "the run's total: it ends when step N is committed (default: the plan's)", HelpName = "N" };

    internal static Option<bool> Json() => new("--json") { Description = "machine-readable output" };

    internal static Option<string[]> Sets() => new("--set")
    {
        Description = "a plan setting over the file's, for example --set optimizer.learning-rate=1e-3; may be repeated",
        HelpName = "path=value",
        AllowMultipleArgumentsPerToken = false,
    };

    /// <summary>A format of weights; what it parses to is for <see cref="Format"/>.</summary>
    internal static Option<string?> DataType(string description)
    {
        var option = new Option<string?>("--dtype") { Description = description, HelpName = "TYPE" };
        option.AcceptOnlyFromAmong("fp32", "f32", "bf16");
        return option;
    }

    /// <summary>The format that a word of <see cref="DataType"/> stands for; null if there is none.</summary>
    internal static WeightFormat? Format(string? word) => word is null ? null : word == "bf16" ? WeightFormat.Bfloat16 : WeightFormat.Float32;

    internal static IReadOnlyList<KeyValuePair<string, string>> Pairs(string[]? sets) => [.. (sets ?? []).Select(text =>
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new BadInputException("--set", $"'{text}'", "path=value");
        return new KeyValuePair<string, string>(text[..equals].Trim(), text[(equals + 1)..].Trim());
    })];

    internal static long? CheckSteps(long? steps) => steps is < 1 ? throw new BadInputException("--steps", $"{steps}", "1 or more") : steps;
}
