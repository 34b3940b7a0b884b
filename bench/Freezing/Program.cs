using System.CommandLine;
using System.Globalization;
using ElasticTrain.Benchmarks;
using ElasticTrain.Freezing;

var steps = new Option<int>("--steps") { Description = "steps of a run", DefaultValueFactory = _ => 1000 };
var rounds = new Option<int>("--rounds") { Description = "rounds; the policies take turns in each", DefaultValueFactory = _ => 1 };
var only = new Option<string[]>("--only") { Description = "only these, beside no policy: schedule, plateau, similarity", AllowMultipleArgumentsPerToken = true };
var sets = new Option<string[]>("--set") { Description = "a plan setting for every run", HelpName = "path=value", DefaultValueFactory = _ => [] };
var root = new RootCommand("What freezing layers saves and costs: whole runs of the quickstart plan under each policy, beside one without.") { steps, rounds, only, sets };
root.SetAction(parsed =>
{
    int count = parsed.GetValue(steps);
    // Thresholds and windows as in the documentation; a schedule of three steps up.
    string at(double share) => ((int)(count * share)).ToString(CultureInfo.InvariantCulture);
    (string Name, string[] Sets)[] policies =
    [
        ("none", []),
        ("schedule", ["freeze.policy=schedule", $"freeze.schedule=[{{step={at(0.4)},layers=0}},{{step={at(0.6)},layers=0-1}},{{step={at(0.8)},layers=0-2}}]"]),
        ("plateau", ["freeze.policy=plateau"]),
        ("similarity", ["freeze.policy=similarity", "freeze.every=50", "freeze.window=4", "freeze.threshold=0.1"]),
    ];
    var wanted = policies.Where(p => p.Name == "none" || parsed.GetValue(only) is not { Length: > 0 } names || names.Contains(p.Name)).ToList();
    Console.WriteLine($"{Environment.ProcessorCount} processors, {Environment.OSVersion}, .NET {Environment.Version}; quickstart, {count} steps");
    var results = wanted.ToDictionary(p => p.Name, _ => new List<Result>());
    for (int round = 0; round < parsed.GetValue(rounds); round++)
    {
        foreach (var (name, own) in wanted)
        {
            var result = TrainedRun.Measure(count, [.. parsed.GetValue(sets)!, .. own]);
            results[name].Add(result);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name,-10}  {result.Seconds,6:0.0} s for steps {TrainedRun.WarmUp + 1} to {count}  {1000 * result.SecondsPerStep,5:0.0} ms at the end  loss of the last 100 {result.Loss:0.0000}  held-out {result.BitsPerByte:0.000} bits per byte  {result.Freezes}"));
        }
    }
    foreach (var (name, own) in wanted.Skip(1))
        Console.WriteLine($"{name,-10}  time / that without a policy {new Numbers([.. results[name].Zip(results["none"], (r, none) => r.Seconds / none.Seconds)])}, held-out bits per byte more {new Numbers([.. results[name].Zip(results["none"], (r, none) => r.BitsPerByte - none.BitsPerByte)])}");
    return 0;
});
return root.Parse(args).Invoke();
