using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ElasticTrain.Elastic;

if (args is [Loops.Bare or Loops.Fold, var folder])
{
    // Torch's gradient mode and scopes belong to a thread: the loop has one to itself.
    Loops.Run(args[0], folder);
    return 0;
}
if (args is [Loops.Node, var run, var warmUp, var count])
{
    var times = await Loops.RunNodeAsync(run, int.Parse(warmUp, CultureInfo.InvariantCulture), int.Parse(count, CultureInfo.InvariantCulture));
    Console.WriteLine(JsonSerializer.Serialize(times));
    return 0;
}

var plan = new Option<string[]>("--plan") { Description = "measure on these plans instead of quickstart, nano and tiny" };
var rounds = new Option<int>("--rounds") { Description = "rounds of the cost and of recovery; the other figures take at most 3", DefaultValueFactory = _ => 5 };
var steps = new Option<int>("--steps") { Description = "steps of a round", DefaultValueFactory = _ => 10 };
var only = new Option<string[]>("--only") { Description = "only these figures: cost, processes, profile, freeze, recovery, goodput, replicas, straggler", AllowMultipleArgumentsPerToken = true };
var root = new RootCommand("The figures of the elastic core: what elasticity costs, and how fast it recovers. Ratios of one run.") { plan, rounds, steps, only };
root.SetAction(parsed =>
{
    Console.WriteLine($"{Environment.ProcessorCount} processors, {Environment.OSVersion}, .NET {Environment.Version}");
    string plans = FindPlans();
    string quickstart = Path.Combine(plans, "quickstart.conf"), tiny = Path.Combine(plans, "tiny.conf");
    Case main = new("quickstart", quickstart, []), small = new("tiny", tiny, []);
    IReadOnlyList<Case> cases = parsed.GetValue(plan) is { Length: > 0 } files
        ? [.. files.Select(f => new Case(Path.GetFileNameWithoutExtension(f), Path.GetFullPath(f), []))]
        // Bytes have few of nano's 4096 token ids; the sizes, and so the work, are those of the preset.
        : [main, new("nano", quickstart, ["model.preset=nano"]), small];
    if (parsed.GetValue(plan) is { Length: > 0 }) main = small = cases[0];
    using var workshop = new Workshop();
    int count = parsed.GetValue(rounds);
    var figures = new Figures(workshop, count, parsed.GetValue(steps));
    var few = new Figures(workshop, Math.Min(count, 3), parsed.GetValue(steps));
    bool Wanted(string name) => parsed.GetValue(only) is not { Length: > 0 } names || names.Contains(name);
    if (Wanted("cost")) foreach (var on in cases) figures.Cost(on, withoutCheckpoints: on == main);
    if (Wanted("profile")) foreach (var on in cases) few.Profile(on);
    if (Wanted("processes")) few.Processes(main);
    if (Wanted("freeze")) few.Freeze(main);
    var failures = new Failures(workshop, Math.Min(count, 3));
    if (Wanted("recovery"))
    {
        failures.Pauses(main, 3, Failures.Fault.KillWorker, "target: below 1 s beyond the step's own time; torchft user report 948 s, NVRx in-process 0.5 s, Ray about 5 s");
        failures.Pauses(main, 3, Failures.Fault.KillCoordinator, "target: below 2 s");
        failures.Pauses(main, 3, Failures.Fault.StopWorker, "target: below the suspicion time-out of 1 s + 1 s");
    }
    if (Wanted("goodput")) failures.Goodput(main, 3, TimeSpan.FromSeconds(30), 4);
    if (Wanted("replicas")) failures.Replicas(new Case("micro, batch of 8192 tokens", quickstart, ["model.preset=micro", "batch.train-batch-size=32"]), steps: 8);
    if (Wanted("straggler")) failures.Straggler(new Case("nano, 16 virtual ranks", quickstart, ["model.preset=nano", "batch.train-batch-size=16"]), steps: 20);
    return 0;
});
return root.Parse(args).Invoke();

static string FindPlans()
{
    for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        if (Directory.Exists(Path.Combine(at.FullName, "hocon", "plans"))) return Path.Combine(at.FullName, "hocon", "plans");
    throw new DirectoryNotFoundException("hocon/plans is not above the program's folder");
}
