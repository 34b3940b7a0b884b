using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using ElasticTrain.Model;
using ElasticTrain.Training;

var peer = new Option<string?>("--peer") { Description = "command of the opponent, such as \"python3 DIR/deepseek_torch.py\"; called with bench --config FILE ..." };
var configs = new Option<string[]>("--config") { Description = "config.json files, or names of those beside this program", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["nano", "micro", "dense-30m"] };
var devices = new Option<int[]>("--devices") { Description = "numbers of devices, one thread each; the peer gets as many threads", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 2] };
var computes = new Option<ComputeKind[]>("--compute") { Description = "what is multiplied: fp32, bf16; the peer stays fp32", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [ComputeKind.Fp32, ComputeKind.Bf16] };
var sequences = new Option<int>("--micro-batch") { Description = "sequences per step", DefaultValueFactory = _ => 4 };
var length = new Option<int>("--seq") { Description = "tokens per sequence", DefaultValueFactory = _ => 256 };
var steps = new Option<int>("--steps") { Description = "steps per round", DefaultValueFactory = _ => 8 };
var rounds = new Option<int>("--rounds") { Description = "turns of each", DefaultValueFactory = _ => 5 };
var single = new Option<bool>("--single") { Description = "measure once in this process and print JSON" };
var only = new Option<string[]>("--only") { Description = "only these figures: speed, experts", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["speed", "experts"] };
var root = new RootCommand("Training speed and peak memory, beside another program's. Ratios of one run.") { peer, configs, devices, computes, sequences, length, steps, rounds, single, only };
root.SetAction(parsed =>
{
    string[] geometry = ["--micro-batch", Text(parsed.GetValue(sequences)), "--seq", Text(parsed.GetValue(length)), "--steps", Text(parsed.GetValue(steps))];
    foreach (string config in parsed.GetValue(configs)!)
    {
        string file = File.Exists(config) ? config : Path.Combine(AppContext.BaseDirectory, "configs", config + ".json");
        if (parsed.GetValue(only)!.Contains("experts") && !parsed.GetValue(single))
            ExpertLayer.Print(Path.GetFileNameWithoutExtension(file), ModelConfig.FromHuggingFace(file), parsed.GetValue(sequences), parsed.GetValue(length), rounds: 40);
        if (!parsed.GetValue(only)!.Contains("speed")) continue;
        foreach (int count in parsed.GetValue(devices)!)
        {
            if (parsed.GetValue(single))
            {
                Console.WriteLine(JsonSerializer.Serialize(Measurement.Take(file, parsed.GetValue(computes)![0], count, parsed.GetValue(sequences), parsed.GetValue(length), parsed.GetValue(steps))));
                continue;
            }
            List<Measurement> other = [];
            var own = parsed.GetValue(computes)!.ToDictionary(compute => compute, _ => new List<Measurement>());
            for (int round = 0; round < parsed.GetValue(rounds); round++)
            {
                foreach (var (compute, measured) in own)
                    measured.Add(Measurement.OfProcess(Environment.ProcessPath!, ["--single", "--config", file, "--devices", Text(count), "--compute", compute.ToString(), .. geometry]));
                if (parsed.GetValue(peer)?.Split(' ') is { } command)
                    other.Add(Measurement.OfProcess(command[0], [.. command[1..], "bench", "--config", file, "--threads", Text(count), .. geometry]));
            }
            foreach (var (compute, measured) in own) Print($"{Path.GetFileNameWithoutExtension(file)}, {compute}, {count} device(s)", measured, other);
        }
    }
});
return root.Parse(args).Invoke();

static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

static void Print(string title, List<Measurement> own, List<Measurement> other)
{
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{title}: {new Numbers([.. own.Select(m => m.TokensPerSecond)]).Median:0} tokens/s (best {own.Max(m => m.TokensPerSecond):0}), peak {own.Max(m => m.PeakMemory):0} MB, growth {own.Max(m => m.Growth):0} MB, loss {own[0].FirstLoss:0.0000} to {own[0].LastLoss:0.0000}"));
    if (other.Count == 0) return;
    double[] ratios = [.. own.Zip(other, (a, b) => a.TokensPerSecond / b.TokensPerSecond)];
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"  peer: {new Numbers([.. other.Select(m => m.TokensPerSecond)]).Median:0} tokens/s (best {other.Max(m => m.TokensPerSecond):0}), peak {other.Max(m => m.PeakMemory):0} MB, loss {other[0].FirstLoss:0.0000} to {other[0].LastLoss:0.0000}"));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"  ratio: {new Numbers(ratios).Median:0.000} ({ratios.Min():0.000} .. {ratios.Max():0.000}), best / best {own.Max(m => m.TokensPerSecond) / other.Max(m => m.TokensPerSecond):0.000}, memory {own.Max(m => m.PeakMemory) / other.Min(m => m.PeakMemory):0.00}"));
}
