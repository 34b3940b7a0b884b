using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Nodes;

var plan = Plan.Load(args[0], []);
using var session = RunSession.Prepare(plan, args[1], Console.WriteLine);
var target = new RunTarget(args.Length > 2 ? long.Parse(args[2]) : plan.TotalSteps, 1, 1);
var options = new NodeOptions("node-1", new ClusterEnvironment("ElasticTrain", "127.0.0.1", 0, [], ""), ["coordinator", "worker"], target, ChaosSettings.None);
var watch = System.Diagnostics.Stopwatch.StartNew();
await using var node = await RunNode.StartAsync(options, session.Definition, session.Journal, Digest256.Of("x"), default);
long seen = 0;
while (!node.Ended.IsCompleted)
{
    await Task.WhenAny(node.Ended, Task.Delay(500));
    var s = await node.StatusAsync(TimeSpan.FromSeconds(1));
    if (s is null) { Console.WriteLine("no answer"); continue; }
    foreach (var n in s.Notes) if (n.Number > seen) { Console.WriteLine("* " + n.Text); seen = n.Number; }
    Console.WriteLine($"{s.State} {s.Detail} step {s.Step}/{s.Steps} loss {s.Loss:F4} {s.TokensPerSecond:F0} tok/s gn {s.GradientNorm:F3} lr {s.LearningRate:G3} workers {s.Workers.Count}");
}
var end = await node.Ended;
Console.WriteLine($"{end.ExitCode} {end.Message} {watch.Elapsed}");
return end.ExitCode;
