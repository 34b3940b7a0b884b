using System.CommandLine;
using System.Globalization;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Nodes;

namespace ElasticTrain.Host.Commands;

/// <summary><c>freeze</c>, <c>thaw</c>, <c>amend</c>, <c>attach</c>, <c>pause</c>, <c>resume</c>: messages to a running run.</summary>
public static class ControlCommands
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary><c>freeze</c>.</summary>
    public static Command Freeze()
    {
        var layers = new Option<string>("--layers") { Description = "the prefix to freeze, from 0: 0-1 freezes the embedding and layers 0 and 1", HelpName = "0-K", Required = true };
        var moments = new Option<string>("--moments") { Description = "keep or drop the frozen layers' Adam moments", DefaultValueFactory = _ => "keep", HelpName = "keep|drop" };
        var at = At();
        return Make("freeze", "Stop training the lower layers of a running run; the steps that follow are faster.", [layers, moments, at], (parsed, _) =>
        {
            string kept = parsed.GetRequiredValue(moments);
            if (kept is not ("keep" or "drop")) throw new BadInputException("--moments", $"'{kept}'", "keep or drop");
            return With(parsed.GetValue(at), ("layers", Prefix(parsed.GetRequiredValue(layers))), ("moments", kept));
        });
    }

    /// <summary><c>thaw</c>.</summary>
    public static Command Thaw()
    {
        var at = At();
        return Make("thaw", "Train all layers again.", [at], (parsed, _) => With(parsed.GetValue(at)));
    }

    /// <summary><c>amend</c>.</summary>
    public static Command Amend()
    {
        var sets = new Option<string[]>("--set")
        {
            Description = "a setting of the plan's optimizer: learning-rate, schedule.type, schedule.warmup-steps, schedule.min-ratio, weight-decay or clip, for example --set optimizer.learning-rate=1e-4; may be repeated",
            HelpName = "path=value",
            Required = true,
            AllowMultipleArgumentsPerToken = false,
        };
        var at = At();
        return Make("amend", "Change the learning rate, its schedule, the weight decay or the clip of a running run.", [sets, at], (parsed, _) =>
            With(parsed.GetValue(at), ("settings", string.Join('\n', CommonOptions.Pairs(parsed.GetRequiredValue(sets)).Select(set => $"{set.Key}={set.Value}")))));
    }

    /// <summary><c>attach</c>.</summary>
    public static Command Attach()
    {
        var input = new Option<string>("--input") { Description = "a file or folder of text, or a folder of prepared data (such as another run's data); every node must reach it", HelpName = "PATH", Required = true };
        var replace = new Option<bool>("--replace") { Description = "train on these data alone from then on (default: on these as well)" };
        var at = At();
        return Make("attach", "Train a running run on other data, or on more.", [input, replace, at], (parsed, folder) => With(
            parsed.GetValue(at), ("path", AttachedData.Prepare(folder, RunSession.LoadPlan(folder), parsed.GetRequiredValue(input))), ("replace", parsed.GetValue(replace) ? "yes" : "no")));
    }

    /// <summary><c>pause</c>.</summary>
    public static Command Pause() => Make("pause", "Grant no further step until resume.", [], (_, _) => With(null));

    /// <summary><c>resume</c>.</summary>
    public static Command Resume() => Make("resume", "Go on after pause.", [], (_, _) => With(null));

    /// <summary><c>drain</c>.</summary>
    public static Command Drain()
    {
        var node = new Argument<string>("NODE") { Description = "the node's name, as status shows it" };
        return Make("drain", "Move a node's shards to other nodes, then let it go; it is not started again.", [], (parsed, _) => With(null, ("node", parsed.GetRequiredValue(node))), node);
    }

    private static Option<long?> At() => new("--at") { Description = "the first step affected; it must not have been granted yet", HelpName = "STEP" };

    private static Command Make(string name, string description, IReadOnlyList<Option> options, Func<ParseResult, RunFolder, Dictionary<string, string>> arguments, Argument? positional = null)
    {
        var runDirectory = CommonOptions.RunDirectory();
        var command = new Command(name, description) { runDirectory };
        foreach (var option in options) command.Add(option);
        if (positional is not null) command.Add(positional);
        command.SetAction(async (parsed, ct) =>
        {
            var folder = RunFolder.Open(parsed.GetRequiredValue(runDirectory));
            string directory = folder.Directory;
            var reply = await ControlClient.SendAsync(directory, ControlRequest.New(name, arguments(parsed, folder)), Patience, ct).ConfigureAwait(false);
            if (reply is null) throw new BadInputException($"--run-dir {directory}", "no live node", $"a running run to {name}");
            if (!reply.Ok)
            {
                System.Console.Error.WriteLine(reply.Error);
                return reply.Retry ? 1 : 2;
            }
            System.Console.WriteLine(reply.Result is { } result && result.TryGetProperty("message", out var message) ? message.GetString() : "done");
            return 0;
        });
        return command;
    }

    private static Dictionary<string, string> With(long? at, params (string Name, string Value)[] arguments)
    {
        var all = arguments.ToDictionary(a => a.Name, a => a.Value);
        if (at is { } step) all.Add("at", step.ToString(CultureInfo.InvariantCulture));
        return all;
    }

    /// <summary>Reads 0-K (or 0 alone) and gives K.</summary>
    private static string Prefix(string text)
    {
        string last = text == "0" ? "0" : text.StartsWith("0-", StringComparison.Ordinal) ? text[2..] : "";
        return int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            ? layer.ToString(CultureInfo.InvariantCulture)
            : throw new BadInputException("--layers", $"'{text}'", "0-K: a prefix that starts at layer 0");
    }
}
