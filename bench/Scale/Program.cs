using System.CommandLine;
using System.Diagnostics;
using ElasticTrain.Scale;

var devices = new Option<int[]>("--devices") { Description = "numbers of devices, eight to a node", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [100, 1000, 3000, 10000] };
var steps = new Option<int>("--steps") { Description = "steps that are counted", DefaultValueFactory = _ => 10 };
var ranks = new Option<int>("--ranks") { Description = "virtual ranks per device", DefaultValueFactory = _ => 4 };
var failures = new Option<int>("--failures") { Description = "node failures of the disturbed run: of processes and of whole machines in turn", DefaultValueFactory = _ => 2 };
var replace = new Option<int>("--replaced-after") { Description = "seconds until another node takes a failed one's place", DefaultValueFactory = _ => 60 };
var undisturbed = new Option<bool>("--undisturbed") { Description = "no failures: messages and processor time alone" };
var seed = new Option<int>("--seed") { Description = "the same seed gives the same virtual history", DefaultValueFactory = _ => 1 };
var root = new RootCommand("The product's coordinator in a modelled cluster of thousands of devices, in virtual time: control messages, its processor time, goodput. The model and figures: docs/scale.md.") { devices, steps, ranks, failures, replace, undisturbed, seed };
devices.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int[]>() is { } all && all.Any(d => d is < 16 or > 1_000_000)) result.AddError("--devices: expected numbers from 16 to 1000000");
});
AtLeast(steps, 2);
AtLeast(ranks, 1);
AtLeast(failures, 1);
AtLeast(replace, 20);
root.SetAction(parsed =>
{
    Console.WriteLine($"{Environment.ProcessorCount} processors, {Environment.OSVersion}, .NET {Environment.Version}; v2-lite, {Scenario.Layout.Shards.Count} shards with 2 replicas, {parsed.GetValue(ranks)} ranks per device, {parsed.GetValue(steps)} steps, seed {parsed.GetValue(seed)}");
    Scenario Of(int count) => new()
    {
        Devices = count,
        RanksPerDevice = parsed.GetValue(ranks),
        Steps = parsed.GetValue(steps),
        Seed = (ulong)parsed.GetValue(seed),
        Failures = parsed.GetValue(failures),
        ReplacedAfter = TimeSpan.FromSeconds(parsed.GetValue(replace)),
    };
    // The compiler's work on the handlers is none of theirs.
    Measurement.Take(Of(100), isDisturbed: false);
    List<Measurement> all = [];
    foreach (int count in parsed.GetValue(devices)!)
    {
        long start = Stopwatch.GetTimestamp();
        all.Add(Measurement.Take(Of(count), !parsed.GetValue(undisturbed)));
        Console.Error.WriteLine($"{count} devices: {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
    }
    Report.Print(all);
    Report.PrintProfile(all[^1]);
    return 0;
});
var result = root.Parse(args);
if (result.Errors.Count == 0) return result.Invoke();
foreach (var error in result.Errors) Console.Error.WriteLine(error.Message);
return 2;

static void AtLeast(Option<int> option, int least) => option.Validators.Add(result =>
{
    if (result.Tokens.Count > 0 && int.TryParse(result.Tokens[0].Value, out int value) && value < least) result.AddError($"{option.Name}: found {value}, expected {least} or more");
});
